export default {
  theme_auto: '跟随系统',
  theme_light: '浅色',
  theme_dark: '深色',
}
