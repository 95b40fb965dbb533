import type zh from '../zh/settings'

const en: typeof zh = {
  theme_auto: 'As the system',
  theme_light: 'Light',
  theme_dark: 'Dark',
}
export default en
