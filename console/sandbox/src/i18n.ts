import { watch } from 'vue'
import { createI18n } from 'vue-i18n'
import { prefs } from '../../src/lib/prefs'
import en from './locales/en'
import zh from './locales/zh'

export const i18n = createI18n({ legacy: false, locale: prefs.lang, fallbackLocale: 'zh', messages: { zh, en } as Record<string, typeof zh> })

/** For texts made outside of components; it follows the language all the same. */
export const t = i18n.global.t as (key: string, values?: Record<string, unknown>) => string

watch(() => prefs.lang, (lang) => {
  i18n.global.locale.value = lang
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en'
}, { immediate: true })
