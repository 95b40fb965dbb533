import type { Attempt, Delivery, EventDetail, Route } from '../../api/types'

const path = (url: string) => {
  const { pathname, host } = new URL(url)
  return { pathname, host }
}

/** What a route with `format = "json"` sends. */
function webhook(event: EventDetail) {
  const type = event.event ? `event.${event.event.toLowerCase()}` : (event.msg_type ?? 'unknown')
  const data = {
    appid: event.appid, openid: event.openid ?? '', msg_type: event.msg_type ?? '', event: event.event ?? '', event_key: event.key ?? '', scene: event.scene ?? '',
    message: event.message,
  }
  return JSON.stringify({ type: `wechat.${type}`, timestamp: new Date(event.received_at * 1000).toISOString().replace('.000', ''), data }, null, 2)
}

/** The request of an attempt as text, without what signs it. */
export function requestText(event: EventDetail, delivery: Delivery, attempt: Attempt | undefined, number: number, route: Route | undefined) {
  const url = attempt?.url ?? route?.target.replace('{appid}', event.appid)
  if (!url) return event.raw
  const { pathname, host } = path(url)
  const isJson = route?.format === 'json'
  const query = isJson ? '' : `?signature=…&timestamp=…&nonce=…&openid=${event.openid ?? ''}`
  const own = isJson ? [`webhook-id: ${delivery.id}`, 'webhook-timestamp: …', 'webhook-signature: …', 'content-type: application/json'] : ['content-type: text/xml']
  return [
    `POST ${pathname}${query} HTTP/1.1`, `host: ${host}`, ...own,
    `x-wxgate-event-id: ${event.id}`, `x-wxgate-appid: ${event.appid}`, `x-wxgate-attempt: ${number}`,
    '', isJson ? webhook(event) : event.raw,
  ].join('\n')
}
