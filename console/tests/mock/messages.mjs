// Messages with their deliveries, refused callbacks and failed calls of the mocked gateway.
import { seconds, seeded } from './util.mjs'

const r = seeded(7)
const users = Array.from({ length: 24 }, () => 'o6_b' + r.hex(24))
const kinds = [
  ['event', 'SCAN', () => 'login_' + r.hex(4)], ['event', 'subscribe', () => r.pick(['qrscene_poster_12', ''])], ['event', 'unsubscribe', () => ''],
  ['event', 'CLICK', () => 'MENU_ORDERS'], ['event', 'TEMPLATESENDJOBFINISH', () => ''], ['text', null, () => ''], ['image', null, () => ''], ['event', 'LOCATION', () => ''],
]
const backoff = [5, 30, 120, 600, 3600, 10800, 21600, 43200, 86400]

const answers = {
  200: 'HTTP/1.1 200 OK\ncontent-type: text/plain\n\nsuccess',
  204: 'HTTP/1.1 204 No Content\n',
  502: 'HTTP/1.1 502 Bad Gateway\nserver: nginx/1.25.3\ncontent-type: text/html\n\n<html>\n<head><title>502 Bad Gateway</title></head>\n<body><center><h1>502 Bad Gateway</h1></center></body>\n</html>',
}

function attempt(at, status, ms, url, error = null) {
  return { at, status, ms, error, url, answer: answers[status] ?? null, by: 'n1' }
}

/** What became of an event on a route, so that some are done, some wait and some are dead. */
function delivery(event, route, fate) {
  const id = event.id * 10 + ['shop', 'crm', 'audit-log', 'kefu', 'coupon'].indexOf(route)
  const url = { shop: 'http://10.0.3.4:8080/wx', crm: `http://10.0.3.7:8080/wx/${event.appid}`, 'audit-log': 'http://10.0.3.9/hook', kefu: 'https://kefu.example.com/hooks/wechat', coupon: 'http://10.0.5.20:9000/callback' }[route]
  const made = { id, event_id: event.id, route, status: fate, attempts: [], next_at: null }
  if (fate === 'delivered') return { ...made, attempts: [attempt(event.received_at, route === 'audit-log' ? 204 : 200, r.int(6, 90), url)] }
  const tries = fate === 'dead' ? 5 : r.int(2, 4)
  let at = event.received_at
  for (let n = 0; n < tries; n++) {
    const isSlow = n === 2 || route === 'kefu'
    made.attempts.push(attempt(at, isSlow ? null : 502, isSlow ? 15000 : r.int(8, 30), url, isSlow ? ['15 秒没有应答（路由的 timeout）：后端先应答 200 再处理', 'No answer within 15 s (the timeout of the route): answer 200 first, then work'] : ['对方的网关说后面的服务不可用', 'Its gateway says that the service behind it is unavailable']))
    at += backoff[Math.min(n, 8)]
  }
  return fate === 'dead' ? made : { ...made, next_at: seconds() + r.int(90, 900) }
}

function xml(event, user) {
  const field = (name, value) => `  <${name}><![CDATA[${value}]]></${name}>`
  const own = event.event
    ? [field('MsgType', 'event'), field('Event', event.event), field('EventKey', event.key ?? ''), ...(event.event === 'SCAN' ? [field('Ticket', 'gQH47joAAAAAAAAAASxodHRwOi8vd2VpeGlu')] : [])]
    : [field('MsgType', event.msg_type), ...(event.msg_type === 'text' ? [field('Content', '你好，我的订单 20261127-0031 什么时候发货？')] : [field('PicUrl', 'http://mmbiz.qpic.cn/mmbiz_jpg/abc/0'), field('MediaId', 'zMtY9kq')]), '  <MsgId>2450039012344</MsgId>']
  return ['<xml>', field('ToUserName', 'gh_10f6c3c3ac5a'), field('FromUserName', user), `  <CreateTime>${event.received_at}</CreateTime>`, ...own, '</xml>'].join('\n')
}

function fields(text) {
  return Object.fromEntries([...text.matchAll(/<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))<\/\1>/g)].filter((m) => m[1] !== 'xml').map((m) => [m[1], m[2] ?? m[3]]))
}

export function makeEvent(number, at, appid, fateOf = () => 'delivered') {
  const [msg_type, event, key] = r.pick(kinds)
  const openid = r.pick(users)
  const made = { id: number, appid, openid, msg_type, event, key: key() || null, scene: null, received_at: at, received_ms: at * 1000 + r.int(0, 999), request_id: 'wxmsg_' + r.hex(10), mode: 'safe', node: r.pick(['n1', 'n2']) }
  if (event === 'SCAN') made.scene = made.key
  const raw = xml(made, openid)
  const to = event === 'SCAN' ? ['shop', 'crm', 'audit-log'] : event ? ['crm', 'audit-log'] : ['kefu', 'audit-log']
  made.deliveries = to.map((route) => delivery(made, route, fateOf(route)))
  return { ...made, detail: { message: fields(raw), raw, crypt: 'aes_key', dups: r.int(0, 9) ? 0 : 1, stored_ms: made.received_ms + r.int(3, 6), acked_ms: made.received_ms + r.int(6, 12), replied_by: event === 'SCAN' ? 'shop' : null } }
}

/** crm fails now, so its latest wait and some before are dead; coupon's are dead now and then. */
function fate(route, isRecent, i) {
  if (route === 'crm' && isRecent) return 'pending'
  if (route === 'crm' && i < 150 && i % 2) return 'dead'
  return route === 'kefu' && i % 29 === 0 ? 'dead' : 'delivered'
}

/** Of a user's three latest, on a route that keeps order: the first fails, and those after it are in line. */
function line(events, route) {
  const on = (event) => event.deliveries.find((one) => one.route === route)
  const own = events.filter((event) => event.openid === events[0].openid && on(event)).slice(0, 3)
  for (const event of own) Object.assign(on(event), { status: 'pending', attempts: [], next_at: null })
  const first = own.at(-1)
  Object.assign(on(first), { attempts: [attempt(first.received_at, 502, 12, 'http://10.0.3.9/hook')], next_at: seconds() + 240 })
}

export function messages(apps, isEmpty) {
  if (isEmpty) return { events: [], refused: [], failures: [] }
  const now = seconds()
  let at = now - 4
  const events = Array.from({ length: 430 }, (_, i) => {
    const isRecent = at > now - 1140
    const made = makeEvent(184467 - i, at, r.int(0, 3) ? 'wx3cc8fd6963e31a32' : r.pick(apps).appid,
      (route) => fate(route, isRecent, i))
    at -= r.int(2, i < 60 ? 30 : 400)
    return made
  })
  line(events, 'audit-log')
  const why = [
    [['签名不对：公众平台上的 Token 与这里的 callback_token 不同', 'Wrong signature: the Token on the platform differs from callback_token here'], ['在公众平台把 Token 重新贴一遍，或在账号里更新 callback_token', 'Paste the Token on the platform again, or change callback_token of the account']],
    [['明文消息，而账号设了 aes_key', 'A plain message, although the account has an aes_key'], ['公众平台选「安全模式」；过渡期可以开 allow_plain', 'Choose 安全模式 on the platform; allow_plain admits plain messages meanwhile']],
    [['时间戳相差 31 小时，超过 callback.max_age', 'The timestamp is 31 hours away, more than callback.max_age'], ['多半是重放：不必处理。若是真的，看看本机时钟', 'Most likely a replay: nothing to do. If it is real, look at the clock of this machine']],
  ]
  const refused = Array.from({ length: 63 }, (_, i) => {
    const [reason, fix] = why[i % 3]
    return { id: 9000 - i, at: now - 320 - i * 211, request_id: 'wxmsg_' + r.hex(10), appid: i % 3 === 2 ? null : 'wx5f6602d3b81ea74c', ip: `101.226.103.${10 + (i % 7)}`, mode: i % 3 === 1 ? 'plain' : 'safe', reason, fix }
  })
  const codes = [40164, 43004, 45009, 40163, 40003, 47003]
  const failures = Array.from({ length: 140 }, (_, i) => ({
    id: 70000 - i, at: now - 8 - i * 37, request_id: 'wxapi_' + r.hex(10), caller: r.pick(['shop', 'crm', 'member-api']), appid: i % 2 ? 'wx3cc8fd6963e31a32' : 'wx7d01a92be55c0f18',
    api: r.pick(['/cgi-bin/message/template/send', '/cgi-bin/user/info', '/wxa/getwxacodeunlimit', '/cgi-bin/token']), status: 200, errcode: i % 2 ? 40164 : r.pick(codes), rid: `${r.hex(8)}-${r.hex(8)}-${r.hex(8)}`, ms: r.int(30, 400) }))
  return { events, refused, failures }
}
