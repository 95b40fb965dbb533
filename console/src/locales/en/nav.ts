import type zh from '../zh/nav'

const en: typeof zh = {
  watch: 'Watch',
  configure: 'Configure',
  manage: 'Manage',
  overview: 'Overview',
  events: 'Messages',
  dead: 'Dead letters',
  jobs: 'Jobs',
  quota: 'Quota',
  apps: 'Accounts',
  callers: 'Callers',
  routes: 'Routes',
  errors: 'Error codes',
  audit: 'Audit',
  alerts: 'Alerts',
  settings: 'Settings',
  login: 'Log in',
  setup: 'First set-up',
  missing: 'No such page',
}
export default en
