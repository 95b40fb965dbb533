const plain = new Intl.NumberFormat('en-US')

/** `1,284`, and a dash for what nobody knows. */
export const count = (n: number | null | undefined) => (n === null || n === undefined ? '—' : plain.format(n))

/** `1.3k`, for the axes of charts. */
export function compact(n: number) {
  if (Math.abs(n) >= 1e6) return `${trim(n / 1e6)}M`
  if (Math.abs(n) >= 1e3) return `${trim(n / 1e3)}k`
  return String(trim(n))
}

const trim = (n: number) => Math.round(n * 100) / 100

/** A share of 1 as `7.1 %`. */
export function percent(share: number | null | undefined) {
  if (share === null || share === undefined) return '—'
  const value = share * 100
  return `${value === 0 || value >= 10 ? Math.round(value) : value < 0.1 ? '< 0.1' : value.toFixed(1)} %`
}

export const ms = (n: number | null | undefined) => (n === null || n === undefined ? '—' : `${plain.format(Math.round(n))} ms`)

export function bytes(n: number | null | undefined) {
  if (n === null || n === undefined) return '—'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let i = 0
  while (n >= 1024 && i < units.length - 1) [n, i] = [n / 1024, i + 1]
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`
}

/** `wx3cc8…1a32`: enough to know an id by. */
export const shortId = (id: string) => (id.length > 14 ? `${id.slice(0, 6)}…${id.slice(-4)}` : id)
