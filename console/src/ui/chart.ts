import type { Points, Series } from '../api/types'

export interface ChartLine {
  label: string
  /** A colour of tokens.css. */
  color: 'c1' | 'c2' | 'c3' | 'c4' | 'c5' | 'c6'
  values: Points
  dash?: boolean
}

export interface ChartMark {
  at: number
  kind: 'bad' | 'warn'
}

/** The beginnings of a series' buckets. */
export function bucketsOf({ from, to, step }: Series) {
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step)
}

/** The counts of one key, `n` by default; nothing known where it is missing. */
export function valuesOf(series: Series, key: string, of: 'n' | 'bad' | 'p50' | 'p95' | 'p99' = 'n'): Points {
  const found = series.items.find((item) => item.key === key)
  const values = found?.[of] ?? []
  // A kind that never happened has no row: that is none, not unknown.
  const missing = found || !series.items.length ? null : 0
  return bucketsOf(series).map((_, i) => values[i] ?? missing)
}

/** The counts that another span had, `shift` seconds earlier, on the buckets `xs` of `step` seconds. */
export function shifted(other: Series, key: string, shift: number, xs: number[], step: number): Points {
  const values = valuesOf(other, key)
  return xs.map((x) => {
    const n = values[Math.floor((x - shift - other.from) / other.step)]
    return n === null || n === undefined ? null : Math.round((n * step) / other.step)
  })
}

/** A step that gives a chart enough points and not too many. */
export function stepFor(seconds: number) {
  if (seconds <= 6 * 3600) return 60
  return seconds <= 48 * 3600 ? 600 : 3600
}

/** How much earlier the span is with which one of `seconds` is compared: days, so that the hours are alike. */
export function shiftFor(seconds: number) {
  return Math.max(1, Math.ceil(seconds / 86400)) * 86400
}
