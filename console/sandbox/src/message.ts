import type { Members, Value } from './api'

/** A message as XML or JSON, as members. What is neither has none. */
export function members(text: string): Members {
  const trimmed = text.trim()
  try {
    const read = trimmed.startsWith('<') ? fromXml(trimmed).xml : JSON.parse(trimmed)
    return read && typeof read === 'object' && !Array.isArray(read) ? (read as Members) : {}
  } catch {
    return {}
  }
}

/** Elements as members: a name that comes again makes a list. Attributes are none of WeChat's. */
function fromXml(xml: string): Members {
  const top: Members = {}
  const open: { name: string; members: Members; text: string }[] = [{ name: '', members: top, text: '' }]
  for (const [, end, name, cdata, plain] of xml.matchAll(/<(\/?)([\w.-]+)\s*>|<!\[CDATA\[([\s\S]*?)\]\]>|([^<]+)/g)) {
    const last = open[open.length - 1]!
    if (name && !end) open.push({ name, members: {}, text: '' })
    else if (name && open.length > 1) {
      open.pop()
      const value: Value = Object.keys(last.members).length ? last.members : last.text
      const into = open[open.length - 1]!.members
      const had = into[last.name]
      into[last.name] = had === undefined ? value : Array.isArray(had) ? [...had, value] : [had, value]
    } else if (cdata !== undefined) last.text += cdata
    else last.text += plain!.trim().replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
  }
  return top
}

export const isMembers = (value: Value | undefined): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A member as text, however it is written; a path leads into members of members. */
export function text(of: Value | undefined, ...path: string[]): string {
  let value = of
  for (const name of path) value = isMembers(value) ? value[name] : undefined
  return value === undefined || value === null || typeof value === 'object' ? '' : String(value)
}

/** A member as a list: one is a list of one. */
export function list(of: Value | undefined, ...path: string[]): Value[] {
  let value = of
  for (const name of path) value = isMembers(value) ? value[name] : undefined
  return Array.isArray(value) ? value : value === undefined || value === null || value === '' ? [] : [value]
}

/** What a message is, in short: an event's name and key, or a type. */
export function title(message: Members) {
  const type = text(message, 'MsgType')
  if (type !== 'event') return { event: false, name: type || '?', key: type === 'text' ? text(message, 'Content') : '' }
  const name = text(message, 'Event')
  // What was said about subscription messages stands deep inside.
  if (name.startsWith('subscribe_msg_')) return { event: true, name, key: JSON.stringify(message).includes('"reject"') ? 'reject' : 'accept' }
  return { event: true, name, key: text(message, 'EventKey').replace(/^qrscene_/, '') }
}

/** A piece of a text: plain without `href`; with `appid` it leads into a mini program. */
export interface Part { text: string; href: string; appid?: string; page?: string }

const attribute = (tag: string, name: string) => new RegExp(`\\s${name}\\s*=\\s*["']?([^"'\\s>]*)`, 'i').exec(tag)?.[1]?.replaceAll('&amp;', '&') ?? ''

/** The parts of a text with links: what is between `<a>` and `</a>` leads somewhere, and so does a bare address. */
export function links(content: string): Part[] {
  const parts: Part[] = []
  let from = 0
  for (const found of content.matchAll(/<a(\s[^>]*)>([\s\S]*?)<\/a>|https?:\/\/[\w\-.~:/?#[\]@!$&'()*+,;=%]+/gi)) {
    if (found.index > from) parts.push({ text: content.slice(from, found.index), href: '' })
    const tag = found[1]
    if (tag === undefined) parts.push({ text: found[0], href: found[0] })
    else parts.push({ text: found[2]!, href: attribute(tag, 'href') || '#', appid: attribute(tag, 'data-miniprogram-appid'), page: attribute(tag, 'data-miniprogram-path') })
    from = found.index + found[0].length
  }
  if (from < content.length || !parts.length) parts.push({ text: content.slice(from), href: '' })
  return parts
}
