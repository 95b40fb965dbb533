import type zh from '../zh/dead'

const en: typeof zh = {
  hint: 'What was tried for the last time, kept for 30 days with its message.',
  groups: 'By route and reason',
  rows: 'One by one',
  list: 'Dead letters',
  route: 'Route',
  error: 'Reason',
  count: 'Number',
  span: 'Last attempts',
  at: 'Last attempt',
  event: 'Event id',
  attempts: 'Attempts',
  times: '{n}',
  empty: 'No dead letters',
  emptyHint: 'What was tried for the last time stays here for 30 days.',
  noAnswer: 'no answer',
  onlyRoute: 'Only {route}',
  total: '{n} in all',
}
export default en
