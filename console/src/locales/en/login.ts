import type zh from '../zh/login'

const en: typeof zh = {
  title: 'Log in to the console',
  name: 'User name',
  password: 'Password',
  enter: 'Log in',
  forgotten: 'Forgotten? Another administrator can set a new one under Settings → Users.',
  onceHint: 'The link works once. How to log in stands in the terminal where wxgate was started: in a demo the user is admin, and the password is the admin token shown there.',
  setupTitle: 'First set-up',
  setupWhy: 'There is no user yet. Show with the set-up code that this gateway is yours, then choose a password for the administrator, admin.',
  code: 'Set-up code',
  codeWhere: 'It is in the log of the start, and in the file setup-code of the data directory (data/setup-code by default).',
  newPassword: 'Password',
  again: 'The same again',
  short: 'At least {n} characters',
  differs: 'The two differ',
  setupEnter: 'Set up and go in',
}
export default en
