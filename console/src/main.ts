import { createApp } from 'vue'
import App from './App.vue'
import { onLoggedOut } from './api/client'
import { setSession } from './api/session'
import { i18n, startI18n } from './i18n'
import { loginFor, router } from './router'
import './tokens.css'

onLoggedOut(() => {
  setSession(null)
  void router.replace(loginFor(router.currentRoute.value.fullPath))
})

await startI18n()
createApp(App).use(i18n).use(router).mount('#app')
