import { computed, ref, watch } from 'vue'
import { now } from '../../lib/clock'
import { lengths, type RangeName } from '../../lib/range'
import { useParams } from '../../lib/url'

/**
 * The time range of a list, `from` and `to` as the API wants them: all that is kept, what the address fixes, or a
 * range that ends now, which begins at a whole minute so that the list isn't another one each second.
 */
export function useSpan() {
  const { param } = useParams()
  const span = ref<{ from?: number; to?: number }>({})
  const given = computed(() => ['range', 'from', 'to'].map(param))
  watch(given, ([range, from, to]) => {
    if (from || to) span.value = { from: Number(from) || undefined, to: Number(to) || undefined }
    else span.value = range! in lengths ? { from: Math.floor((now.value - lengths[range as RangeName]) / 60) * 60 } : {}
  }, { immediate: true })
  return span
}
