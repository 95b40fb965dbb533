export interface SettingRow {
  key: string
  running: string
  file: string
  differs: boolean
}

const text = (value: unknown) => (value === undefined || value === null ? '—' : typeof value === 'string' ? value : JSON.stringify(value))

const asObject = (value: unknown): Record<string, unknown> =>
  value && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : value === null || value === undefined ? {} : { '': value }

/** A section's keys as they run and as they stand in the file; those that differ first. */
export function differing(running: unknown, file: unknown): SettingRow[] {
  const [now, then] = [asObject(running), asObject(file)]
  return [...new Set([...Object.keys(now), ...Object.keys(then)])]
    .map((key) => ({ key, running: text(now[key]), file: text(then[key]), differs: text(now[key]) !== text(then[key]) }))
    .sort((a, b) => Number(b.differs) - Number(a.differs))
}
