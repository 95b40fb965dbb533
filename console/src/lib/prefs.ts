import { reactive, ref, watch } from 'vue'

export type Lang = 'zh' | 'en'
export type Theme = 'auto' | 'light' | 'dark'

export interface Prefs {
  lang: Lang
  theme: Theme
  /** An IANA time zone, or empty for the browser's. */
  zone: string
  /** Whether single keys move about. */
  keys: boolean
}

const NAME = 'wxgate.prefs'

export const prefs = reactive<Prefs>({
  lang: navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en',
  theme: 'auto',
  zone: '',
  keys: true,
  ...stored(),
})

const dark = matchMedia('(prefers-color-scheme: dark)')

function stored(): Partial<Prefs> {
  try {
    return JSON.parse(localStorage.getItem(NAME) ?? '{}') ?? {}
  } catch {
    return {}
  }
}

function keep() {
  try {
    localStorage.setItem(NAME, JSON.stringify(prefs))
  } catch {
    // Storage is closed: they hold until the page goes.
  }
}

/** Whether the page is dark now. */
export const isDark = ref(false)

function paint() {
  isDark.value = prefs.theme === 'dark' || (prefs.theme === 'auto' && dark.matches)
  document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light'
}

watch(prefs, keep)
watch(() => prefs.theme, paint, { immediate: true })
dark.addEventListener('change', paint)
