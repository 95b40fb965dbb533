import { ref, watch } from 'vue'
import { now } from '../../lib/clock'
import { useRange } from '../../lib/range'

/**
 * The time range of a list as `from` and `to`. All that is kept needs none; one that ends now begins at a whole minute,
 * so that the address of the list doesn't change each second.
 */
export function useSpan() {
  const { name, fixed, seconds } = useRange('7d')
  const span = ref<{ from?: number; to?: number }>({})
  watch([name, fixed], () => {
    if (fixed.value) span.value = fixed.value
    else span.value = name.value === '7d' ? {} : { from: Math.floor((now.value - seconds.value) / 60) * 60 }
  }, { immediate: true })
  return span
}
