import type zh from '../zh/entry'

const en: typeof zh = {
  required: 'Required',
  nameLong: 'At most {n} characters',
  nameBad: 'No / and no control characters, and neither . nor ..',
  quotaBad: '“{line}” can’t be read. One a line: a path of WeChat’s = calls/unit, the unit is m (minute), h (hour) or d (day), like /cgi-bin/message/* = 10000/d',
  quotaTwice: '{path} stands there twice',
  generate: 'Generate',
  takeAway: 'Remove',
  willGo: 'Removed when you save',
  stays: 'One is set; leave this empty to keep it',
  unchanged: 'unchanged, as it stands in the file',
  secretElsewhere: 'can’t be read back; write "file:PATH" or "env:NAME"',
  rare: 'More options',
  saved: 'Saved, in effect now',
  made: 'Added, in effect now',
  deleted: '{name} is deleted',
  trySave: 'Try, then save',
  saveAnyway: 'Save anyway',
  asToml: 'Copy as TOML',
  fileHint: 'Nothing is written to the file: paste the TOML below into it, then reload.',
  reload: 'Reload the configuration file',
  reloaded: 'Reloaded, in effect now',
  locked: 'Stands in a configuration file',
  breaks: 'Once deleted:',
  unused: 'Not in use',
}
export default en
