import type { Attempt, EventDetail } from '../../api/types'

const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** The delivery as a command that sends it to a service on this machine; what signs it can't be known here. */
export function asCurl(event: EventDetail, attempt?: Attempt) {
  const path = attempt?.url ? new URL(attempt.url).pathname : '/'
  const type = event.raw.trimStart().startsWith('{') ? 'application/json' : 'text/xml'
  return [
    `curl -i ${shellQuoted(`http://127.0.0.1:8080${path}?openid=${event.openid ?? ''}`)}`,
    `-H 'Content-Type: ${type}'`,
    `-H 'x-wxgate-event-id: ${event.id}'`,
    `-H 'x-wxgate-appid: ${event.appid}'`,
    `--data-raw ${shellQuoted(event.raw)}`,
  ].join(' \\\n  ')
}
