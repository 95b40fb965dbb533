// What is wrong with what stands in an input: the words that say it, and what is in them.

export interface Mistake {
  words: string
  values?: Record<string, string | number>
  /** Said as soon as it is so, not only when somebody saves. */
  atOnce?: boolean
}

const LONGEST = 64

/** A name stands in paths and in logs. */
export function badName(name: string): Mistake | null {
  if ([...name].length > LONGEST) return { words: 'entry.nameLong', values: { n: LONGEST } }
  return /[\p{Cc}/]/u.test(name) || ['.', '..'].includes(name) ? { words: 'entry.nameBad' } : null
}

/** The lines of a text; a comma ends one too. */
export const lines = (text: string) => text.split(/[\n,，]/).map((line) => line.trim()).filter(Boolean)

const MOST = 1e12

/** `/cgi-bin/message/* = 10000/d`, also without the `=`: the paths and the limit, or null if it can't be read. */
export function quotaOf(line: string): [path: string, limit: string] | null {
  const [, path, n, unit] = /^([/*]\S*?)(?:\s*=\s*|\s+)(\d+)\s*\/\s*([mhd])$/.exec(line) ?? []
  if (!path || path.startsWith('/v1/') || Number(n) < 1 || Number(n) > MOST) return null
  return [path, `${Number(n)}/${unit}`]
}

/** A passive reply can't wait for its turn. */
export const badOrder = (text: string, { reply }: Record<string, unknown>): Mistake | null =>
  text === 'true' && reply !== 'false' ? { words: 'routes.orderedReplies', atOnce: true } : null

/** A line that says nothing must not leave a caller without a limit. */
export function badQuotas(text: string): Mistake | null {
  const read = lines(text).map((line) => ({ line, quota: quotaOf(line) }))
  const bad = read.find((one) => !one.quota)
  if (bad) return { words: 'entry.quotaBad', values: { line: bad.line } }
  const twice = read.find((one, i) => read.findIndex((other) => other.quota![0] === one.quota![0]) < i)
  return twice ? { words: 'entry.quotaTwice', values: { path: twice.quota![0] } } : null
}
