import { watch } from 'vue'
import { createI18n } from 'vue-i18n'
import { prefs } from './lib/prefs'
import zh from './locales/zh'

export type Messages = typeof zh

export const i18n = createI18n({
  legacy: false,
  locale: 'zh',
  fallbackLocale: 'zh',
  messages: { zh } as Record<string, Messages>,
})

/** For texts made outside of components; it follows the language all the same. */
export const t = i18n.global.t as (key: string, values?: Record<string, unknown>) => string

async function use(lang: typeof prefs.lang) {
  if (lang === 'en' && !i18n.global.availableLocales.includes('en')) {
    i18n.global.setLocaleMessage('en', (await import('./locales/en')).default)
  }
  if (prefs.lang !== lang) return
  i18n.global.locale.value = lang
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en'
}

/** Loads the language wanted; from then on it follows the preference. */
export async function startI18n() {
  await use(prefs.lang)
  watch(() => prefs.lang, use)
}
