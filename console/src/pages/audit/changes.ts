export interface Change {
  key: string
  before: string | null
  after: string | null
  /** Who looks at it may not see what it was: then it isn't known either whether it changed. */
  hidden: boolean
}

const MASK = '***'

const asObject = (value: unknown): Record<string, unknown> =>
  value && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : value === null || value === undefined ? {} : { '': value }

const text = (value: unknown) => (value === undefined || value === null ? null : typeof value === 'string' ? value : JSON.stringify(value))

const isMasked = (value: unknown) => (JSON.stringify(value) ?? '').includes(`"${MASK}"`)

/** What differs between two versions of an object, key by key. */
export function changes(before: unknown, after: unknown): Change[] {
  const [old, fresh] = [asObject(before), asObject(after)]
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])]
    .map((key) => ({ key, before: text(old[key]), after: text(fresh[key]), hidden: isMasked(old[key]) || isMasked(fresh[key]) }))
    .filter((one) => one.hidden || one.before !== one.after)
}

/** The page of what was changed (`apps/wx1`), if it has one. */
export function linkOf(target: string): string | null {
  const [kind, name] = target.split('/')
  return name && ['apps', 'callers', 'routes'].includes(kind!) ? `/${kind}/${encodeURIComponent(name)}` : null
}
