import type zh from '../zh/quota'

const en: typeof zh = {
  intro: 'What WeChat grants each account and API a day; counted from midnight, Beijing time',
  app: 'Account',
  api: 'API',
  used: 'Used / limit',
  forecast: 'At this pace',
  rate: 'Rate',
  rateOf: '{n} per {t}',
  asked: 'Asked WeChat',
  usedUp: 'Used up',
  runsOut: 'Used up at {at}',
  enough: 'Lasts till midnight',
  ask: 'Ask WeChat',
  askNow: 'Ask again about {api}',
  askOther: 'Look up an API',
  askWhy: 'Asking does not use the quota of that API.',
  apiHint: "WeChat's path of the API, as /cgi-bin/message/template/send",
  answered: '{api}: {used} of {limit} used',
  empty: 'WeChat tells of no quota',
  emptyMore: 'An API is asked about after it was used; or look one up.',
}
export default en
