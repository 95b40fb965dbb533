import { getCurrentScope, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { ApiError, read } from '../api/client'
import { prefs } from './prefs'

interface Kept {
  data: unknown
  etag: string | null
}

const KEPT = 60
/** Not reachable, or a proxy in front of it says so: it passes, and is tried again by itself. */
const PASSING = [0, 502, 503, 504]
const AGAIN = 5000
const cache = new Map<string, Kept>()

function keep(key: string, value: Kept) {
  cache.delete(key)
  cache.set(key, value)
  if (cache.size > KEPT) cache.delete(cache.keys().next().value!)
}

/** Another user sees other things: nothing that was read stays. */
export function forgetAll() {
  cache.clear()
}

const place = (path: string | null | undefined) => path?.split('?')[0]

/**
 * What `path()` of the admin API says: at once what it said last, then what it says now. It is read anew when the path
 * or the language changes, each `every` seconds while the tab is seen, and by `reload`; while the gateway can't be
 * reached, each few seconds. The old rows stay while other filters of the same list load; another object starts empty.
 */
export function useQuery<T>(path: () => string | null, every?: number) {
  const data = shallowRef<T>()
  const error = shallowRef<ApiError>()
  const loading = ref(false)
  const etag = ref<string | null>(null)
  let running: AbortController | undefined
  let again: ReturnType<typeof setTimeout> | undefined

  async function reload() {
    const now = path()
    if (now === null) return
    const key = `${prefs.lang} ${now}`
    running?.abort()
    clearTimeout(again)
    const mine = (running = new AbortController())
    loading.value = true
    try {
      const kept = cache.get(key)
      const answer = await read<T>(now, kept?.etag ?? null, mine.signal)
      if (mine.signal.aborted) return
      const fresh = answer.status === 304 && kept ? kept : { data: answer.data, etag: answer.etag }
      keep(key, fresh)
      if (data.value !== fresh.data) data.value = fresh.data as T
      etag.value = fresh.etag
      error.value = undefined
    } catch (cause) {
      if (mine.signal.aborted) return
      error.value = cause instanceof ApiError ? cause : new ApiError(0, String(cause))
      if (PASSING.includes(error.value.status)) again = setTimeout(reload, AGAIN)
    }
    loading.value = false
  }

  watch(
    () => [path(), prefs.lang] as const,
    ([now], old) => {
      const kept = cache.get(`${prefs.lang} ${now}`)
      if (kept) [data.value, etag.value] = [kept.data as T, kept.etag]
      else if (place(now) !== place(old?.[0])) data.value = undefined
      error.value = undefined
      if (now === null) running?.abort()
      else void reload()
    },
    { immediate: true },
  )

  const timer = every ? setInterval(() => document.hidden || reload(), every * 1000) : undefined
  const seen = () => document.hidden || reload()
  if (every) document.addEventListener('visibilitychange', seen)
  if (getCurrentScope()) {
    onScopeDispose(() => {
      running?.abort()
      clearTimeout(again)
      clearInterval(timer)
      document.removeEventListener('visibilitychange', seen)
    })
  }

  return { data, error, loading, etag, reload }
}
