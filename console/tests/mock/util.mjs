// Small tools of the mock: a repeatable random source, pages of a list, errors in the asked language.
export function seeded(seed) {
  let state = seed
  const next = () => (state = (state * 16807) % 2147483647) / 2147483647
  return {
    next,
    int: (from, to) => from + Math.floor(next() * (to - from + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
    hex: (n) => Array.from({ length: n }, () => Math.floor(next() * 16).toString(16)).join(''),
  }
}

export const seconds = () => Math.floor(Date.now() / 1000)

/** One page of `items` (newest first already), by a cursor that is an offset. */
export function page(items, query) {
  const from = Number(query.get('cursor') ?? 0)
  const limit = Math.min(Number(query.get('limit') ?? 50), 500)
  const end = from + limit
  return { items: items.slice(from, end), next: end < items.length ? String(end) : null }
}

/** What a handler throws to answer an error. */
export class Problem extends Error {
  constructor(status, zh, en, headers = {}) {
    super(en)
    Object.assign(this, { status, zh, en, headers })
  }
}

export const notFound = () => new Problem(404, '没有这一项，也许刚被删除', 'There is no such thing; it may just have been deleted')
export const isIn = (wanted) => (value) => !wanted || value === wanted

/** "*" stands for anything; a leading "!" excludes; a list of exclusions only means everything else. */
export function matches(patterns, value) {
  if (!patterns?.length) return true
  const glob = (p) => new RegExp('^' + p.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*') + '$', 'i')
  const hit = (p) => [value].flat().some((v) => glob(p).test(v ?? ''))
  const no = patterns.filter((p) => p.startsWith('!')).map((p) => p.slice(1))
  const yes = patterns.filter((p) => !p.startsWith('!'))
  return !no.some(hit) && (yes.length === 0 || yes.some(hit))
}
