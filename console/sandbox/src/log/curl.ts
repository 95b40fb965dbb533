import type { Call, Push } from '../api'
import { whole } from '../api'
import { bytes, quoted } from '../format'

/** Headers that curl makes by itself. */
const OWN = ['host', 'content-length', 'connection', 'accept-encoding', 'user-agent', 'transfer-encoding', 'origin', 'referer']

/** A call as a line for a shell; bytes that are no text come from a file. */
export function curlOf(call: Call) {
  const address = whole(call.path.slice(1)) + (call.query ? `?${call.query}` : '')
  const words = ['curl']
  if (call.method !== 'GET' && call.method !== 'POST') words.push('-X', call.method)
  words.push(quoted(address))
  for (const [name, value] of call.headers) if (!OWN.includes(name) && !name.startsWith('sec-')) words.push('-H', quoted(`${name}: ${value}`))
  if (call.body_base64) words.push('--data-binary', text(call.body_base64) ?? '@body')
  else if (call.method === 'POST') words.push('-d', "''")
  return words.join(' ')
}

function text(base64: string) {
  try {
    return quoted(new TextDecoder('utf-8', { fatal: true }).decode(bytes(base64)))
  } catch {
    return undefined
  }
}

/** An attempt of a push, as it was signed. */
export function curlOfPush(push: Push, query: string, sent: string) {
  const address = push.url + (push.url.includes('?') ? '&' : '?') + query
  return `curl ${quoted(address)} -H ${quoted(`content-type: ${sent.startsWith('<') ? 'text/xml' : 'application/json'}`)} --data-binary ${quoted(sent)}`
}
