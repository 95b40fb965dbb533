import { computed } from 'vue'
import { useParams } from './url'

/** The ranges that end now, in seconds. */
export const lengths = { '1h': 3600, '6h': 21600, '24h': 86400, '7d': 604800 }
export type RangeName = keyof typeof lengths

/** The time range in the address: `range=24h`, or `from` and `to`. */
export function useRange(fallback: RangeName = '24h') {
  const { param, setParams } = useParams()

  const name = computed<RangeName>(() => (param('range') in lengths ? (param('range') as RangeName) : fallback))

  const fixed = computed(() => {
    const [from, to] = [Number(param('from')), Number(param('to'))]
    return from > 0 && to > from ? { from, to } : null
  })

  /** As the API wants it. */
  const query = computed((): Record<string, string> => {
    if (!fixed.value) return { range: name.value }
    return { from: String(fixed.value.from), to: String(fixed.value.to) }
  })

  const seconds = computed(() => (fixed.value ? fixed.value.to - fixed.value.from : lengths[name.value]))

  const set = (range: RangeName) => setParams({ range: range === fallback ? null : range, from: null, to: null, cursor: null }, true)
  const setFixed = (from: number, to: number) => setParams({ range: null, from: String(from), to: String(to), cursor: null }, true)

  return { name, fixed, query, seconds, set, setFixed }
}
