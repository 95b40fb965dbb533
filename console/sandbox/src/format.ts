const two = (n: number) => String(n).padStart(2, '0')

/** `10:00` of milliseconds, in the browser's zone. */
export function minute(ms: number) {
  const at = new Date(ms)
  return `${two(at.getHours())}:${two(at.getMinutes())}`
}

/** `10:00:03.412` */
export function clock(ms: number) {
  const at = new Date(ms)
  return `${minute(ms)}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`
}

/** `29:41`, `3 d`: how long a code has left. */
export function left(ms: number, days: (n: number) => string) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds >= 172_800) return days(Math.floor(seconds / 86_400))
  const hours = seconds >= 3600 ? `${Math.floor(seconds / 3600)}:` : ''
  return `${hours}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

export const shortId = (id: string) => (id.length > 14 ? `${id.slice(0, 6)}…${id.slice(-4)}` : id)

export function bytes(base64: string) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
}

export async function base64(blob: Blob): Promise<string> {
  const address = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result as string)
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(blob)
  })
  return address.slice(address.indexOf(',') + 1)
}

/** A body as text, tidy if it is JSON; or what kind of bytes it is. */
export function body(base64: string): { text: string; picture: string; size: number } {
  const raw = bytes(base64)
  const size = raw.length
  if (raw[0] === 0xff && raw[1] === 0xd8) return { text: '', picture: `data:image/jpeg;base64,${base64}`, size }
  if (raw[0] === 0x89 && raw[1] === 0x50) return { text: '', picture: `data:image/png;base64,${base64}`, size }
  try {
    return { text: tidy(new TextDecoder('utf-8', { fatal: true }).decode(raw)), picture: '', size }
  } catch {
    return { text: '', picture: '', size }
  }
}

/** JSON with its members one below the other, XML with its elements; anything else as it is. */
export function tidy(text: string) {
  const trimmed = text.trim()
  if (trimmed.startsWith('{') || trimmed.startsWith('[')) {
    try {
      // Numbers with more digits than a double holds would come out as others.
      return /[:[,]\s*-?\d{16,}/.test(trimmed) ? trimmed : JSON.stringify(JSON.parse(trimmed), null, 2)
    } catch {
      return text
    }
  }
  return trimmed.startsWith('<xml>') ? trimmed.replace(/(<\/[\w.-]+>|<[\w.-]+>(?=\s*<[\w.-]))\s*(?=<)/g, '$1\n') : text
}

/** For a shell: in single quotes. */
export const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`
