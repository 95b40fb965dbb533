import { ref, shallowRef } from 'vue'
import { ApiError } from '../api/client'
import { errorText } from './errors'
import { toast } from './toast'

/**
 * Something a button does: `busy` while it runs, `error` if it failed. Gives back what `act` gave, or undefined after
 * an error, which is told in a toast unless the page shows `error` itself (`quiet`).
 */
export function useAction<A extends unknown[], R>(act: (...given: A) => Promise<R>, quiet = false) {
  const busy = ref(false)
  const error = shallowRef<ApiError>()

  async function run(...given: A): Promise<R | undefined> {
    if (busy.value) return undefined
    busy.value = true
    error.value = undefined
    try {
      return await act(...given)
    } catch (cause) {
      error.value = cause instanceof ApiError ? cause : new ApiError(0, String(cause))
      if (!quiet) toast(errorText(error.value), 'bad', undefined, 10)
      return undefined
    } finally {
      busy.value = false
    }
  }

  return { busy, error, run }
}
