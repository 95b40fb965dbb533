// Runs before anything is drawn, so that a dark page never flashes white.
;(function () {
  var prefs = {}
  try {
    prefs = JSON.parse(localStorage.getItem('wxgate.prefs') || '{}') || {}
  } catch (_) {
    // Storage is closed or holds something else: the defaults do.
  }
  var dark = prefs.theme === 'dark' || (prefs.theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
})()
