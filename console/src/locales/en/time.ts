import type zh from '../zh/time'

const en: typeof zh = {
  s: '{n} s',
  min: '{n} min',
  h: '{n} h',
  d: '{n} d',
  now: 'just now',
  ago: '{t} ago',
  in: 'in {t}',
}
export default en
