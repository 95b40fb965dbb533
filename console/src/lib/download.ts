import { get, withParams } from '../api/client'
import type { List } from '../api/types'

const MOST = 20_000

/** Hands a file to the browser. */
export function save(name: string, content: Blob) {
  const address = URL.createObjectURL(content)
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

/** Every row of a list, one a line of JSON; at most 20,000. Gives back how many. */
export async function exportList(name: string, path: string, params: Record<string, string | null>) {
  const lines: string[] = []
  let cursor: string | null = null
  do {
    const page: List<unknown> = await get(withParams(path, { ...params, limit: 500, cursor }))
    for (const item of page.items) lines.push(JSON.stringify(item))
    cursor = page.next
  } while (cursor && lines.length < MOST)
  save(name, new Blob([lines.join('\n') + '\n'], { type: 'application/x-ndjson' }))
  return lines.length
}
