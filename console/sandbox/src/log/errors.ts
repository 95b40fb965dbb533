import { shallowRef, watch } from 'vue'
import { type ErrorRow, get } from '../api'

const known = new Map<number, ErrorRow>()

/** What the error table says of a code; nothing of one that is no error, or that no table knows. */
export function useErrorRow(code: () => number) {
  const row = shallowRef<ErrorRow>()
  watch(code, async (wanted) => {
    row.value = known.get(wanted)
    if (row.value || wanted <= 0) return
    const found = await get<ErrorRow>(`errors/${wanted}`).catch(() => undefined)
    if (!found) return
    known.set(wanted, found)
    if (code() === wanted) row.value = found
  }, { immediate: true })
  return row
}
