// Runs before anything is drawn: the theme and the language that were chosen on any page of this host.
;(function () {
  var prefs = {}
  try {
    prefs = JSON.parse(localStorage.getItem('wxgate.prefs') || '{}') || {}
  } catch (_) {
    // Storage is closed or holds something else: the defaults do.
  }
  var page = document.documentElement
  var dark = prefs.theme === 'dark' || (prefs.theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  page.dataset.theme = dark ? 'dark' : 'light'
  if (prefs.lang) page.lang = prefs.lang === 'en' ? 'en' : 'zh-CN'
})()
