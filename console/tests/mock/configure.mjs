// Accounts, callers and routes of the mocked admin API: reads and writes.
import { randomBytes } from 'node:crypto'
import { isIn, matches, notFound, page, Problem, seconds } from './util.mjs'

const ids = { apps: 'appid', callers: 'name', routes: 'name' }
const newKey = () => 'wxk_' + randomBytes(24).toString('base64url')
const secrets = ['secret', 'previous_secret', 'callback_token', 'previous_callback_token', 'aes_key', 'previous_aes_key', 'key', 'previous_key', 'token']

function find(state, list, id) {
  const found = state[list].find((x) => x[ids[list]] === id)
  if (!found) throw notFound()
  return found
}

function writable(entry, request) {
  if (entry.origin === 'file') throw new Problem(409, `它在文件 ${entry.file} 里，到那里改，再重新读取`, `It stands in ${entry.file}: change it there, then reload`)
  const wanted = request.headers['if-match']
  if (wanted && wanted !== etag(entry)) throw new Problem(412, '刚被别人改过，请重新打开再改', 'Somebody has just changed it: open it again')
}

const etag = (entry) => `"${entry.revision ?? 0}"`

/** Secrets that are written are only told to be there. */
function hidden(body) {
  return Object.fromEntries(Object.entries(body).map(([k, v]) => [k, secrets.includes(k) && typeof v === 'string' && v ? true : v === '' && secrets.includes(k) ? null : v]))
}

function record(context, action, target, before, after) {
  context.state.audit.unshift({ id: String(context.state.audit.length + 500), at: seconds(), actor: context.user.name, role: context.user.role, ip: '10.0.8.21', action, target, before, after })
}

function change(context, list) {
  const { state, params, body, request } = context
  const entry = find(state, list, params.id)
  writable(entry, request)
  check(list, { ...entry, ...body })
  const before = Object.fromEntries(Object.keys(body).map((k) => [k, entry[k] ?? null]))
  Object.assign(entry, hidden(body), { revision: entry.revision + 1 })
  record(context, 'change', `${list}/${params.id}`, before, hidden(body))
  return entry
}

function check(list, entry) {
  const bad = []
  if (list === 'apps' && !/^wx[0-9a-f]{16}$/.test(entry.appid ?? '')) bad.push(['appid：wx 后面是 16 个 0-9a-f', 'appid: wx and 16 of 0-9a-f'])
  if (list !== 'apps' && !/^[A-Za-z0-9._-]{1,64}$/.test(entry.name ?? '')) bad.push(['name：1 到 64 个字母、数字、. _ -', 'name: 1 to 64 letters, digits, . _ -'])
  if (list === 'callers' && !entry.apps?.length) bad.push(['apps：必填', 'apps: required'])
  if (list === 'routes' && !/^https?:\/\//.test(entry.target ?? '')) bad.push(['target：以 http:// 或 https:// 开头的地址', 'target: an address that begins with http:// or https://'])
  if (list === 'routes' && /127\.0\.0\.1|localhost/.test(entry.target ?? '')) bad.push(['target：不能是本机，除非 egress.allow_loopback = true', 'target: may not be this machine unless egress.allow_loopback = true'])
  if (list === 'routes' && entry.ordered && entry.reply) bad.push(['ordered：不能与 reply 同用', "ordered: doesn't go with reply"])
  if (list === 'routes' && entry.late_reply && entry.reply !== true) bad.push(['late_reply：需要 reply = true', 'late_reply: needs reply = true'])
  if (bad.length) throw new Problem(422, bad.map((b) => b[0]).join('；'), bad.map((b) => b[1]).join('; '))
}

function add(context, list, fill) {
  const { state, body } = context
  check(list, body)
  const id = body[ids[list]]
  if (state[list].some((x) => x[ids[list]] === id)) throw new Problem(409, `已经有 ${id} 了`, `There is ${id} already`)
  const made = { ...fill(body, state), ...hidden(body), origin: 'store', file: null, revision: 1, unused: null }
  state[list].push(made)
  record(context, 'create', `${list}/${id}`, null, hidden(body))
  return made
}

function remove(context, list) {
  const { state, params, request } = context
  writable(find(state, list, params.id), request)
  state[list] = state[list].filter((x) => x[ids[list]] !== params.id)
  record(context, 'delete', `${list}/${params.id}`, { [ids[list]]: params.id }, null)
}

const blankApp = (body, state) => ({
  name: null, kind: 'official', tags: [], original_id: null, token_mode: 'stable', allow_plain: false, oauth_redirects: [], callback_token: null, previous_callback_token: null, aes_key: null, previous_aes_key: null, proxy: null,
  credential: { mode: body.token_mode ?? 'stable', state: 'none', fetched_at: null, expires_at: null, next_at: null }, trouble: null, superseded_at: null,
  callback: { url: `${state.isEmpty ? '' : 'https://wx.example.com'}/v1/service/wx/wxmsg/${body.appid}`, mode: null, last_at: null, refused_at: null, reason: null }, calls24: { n: 0, bad: 0 }, callers: [],
})
const blankCaller = (key) => ({
  networks: [], rate: 0, concurrency: 0, export_token: false, may_reply: false, last_used_at: null, calls: {}, since: seconds(), refused: 0, expires_at: null, quotas: {}, used: {}, previous_key: null,
  keys: [{ slot: 'key', hint: '…' + key.slice(-4), created_at: seconds(), last_used_at: null }],
})
const blankRoute = (position) => ({ apps: null, events: null, openids: null, scenes: null, format: 'wechat', token: null, aes_key: null, reply: false, reply_wait: '4.5s', late_reply: '', stop: false, ordered: false, concurrency: 8, timeout: '15s', retry: null, secret: null, previous_secret: null, position, paused: false, waiting: 0, dead: 0, p95: null, failing_since: null, last_error: null, breaker: 'closed' })

const ok = (ms) => ({ ok: true, errcode: 0, advice: null, ip: null, ms })

function heal(context) {
  const app = find(context.state, 'apps', context.params.id)
  const now = seconds()
  if (app.trouble && context.state.stillRefused-- > 0) return { ok: false, errcode: app.trouble.errcode, advice: app.trouble.advice, ip: app.trouble.ip, ms: 212 }
  Object.assign(app, { trouble: null, superseded_at: null, credential: { ...app.credential, state: 'ok', fetched_at: now, expires_at: now + 7200, next_at: now + 6930 } })
  context.state.rev++
  return ok(187)
}

function tryRoute(route, asked, apps) {
  const app = apps.find((a) => a.appid === asked.appid)
  const given = { apps: [asked.appid, ...(app?.tags ?? []).map((t) => 'tag:' + t)], events: asked.event ? [asked.event, 'event:' + asked.event] : [asked.msg_type ?? '', 'message:' + (asked.msg_type ?? '')], openids: asked.openid ?? '', scenes: asked.scene ?? '' }
  return ['apps', 'events', 'openids', 'scenes'].filter((c) => route[c]?.length).map((cond) => ({ cond, ok: matches(route[cond], given[cond]), given: [given[cond]].flat()[0] || null, wanted: route[cond] }))
}

export function testRoutes(state, asked) {
  let stopped = null
  return [...state.routes].sort((a, b) => a.position - b.position).map((route) => {
    const why = tryRoute(route, asked, state.apps)
    const matched = !stopped && why.every((w) => w.ok)
    const item = { route: route.name, matched, why, stopped_by: stopped, reply: matched && Boolean(route.reply) }
    if (matched && route.stop) stopped = route.name
    return item
  })
}

function asked(state, body) {
  if (!body.event_id) return body
  const event = state.events.find((e) => String(e.id) === String(body.event_id))
  if (!event) throw notFound()
  return event
}

function order({ state, body }) {
  const stored = state.routes.filter((x) => x.origin === 'store').map((x) => x.name)
  if ([...body.names].sort().join() !== stored.sort().join()) throw new Problem(409, '路由刚被改过，请重新打开', 'The routes have just changed: open them again')
  const files = state.routes.filter((x) => x.origin === 'file')
  state.routes = [...body.names.map((n) => state.routes.find((x) => x.name === n)), ...files].map((x, i) => ({ ...x, position: i + 1 }))
  return { items: state.routes, next: null }
}

function rotate(context) {
  const caller = find(context.state, 'callers', context.params.id)
  writable(caller, context.request)
  const key = newKey()
  const [old] = caller.keys.filter((k) => k.slot === 'key')
  caller.keys = [{ slot: 'key', hint: '…' + key.slice(-4), created_at: seconds(), last_used_at: null }, { ...old, slot: 'previous_key' }]
  Object.assign(caller, { previous_key: true, revision: caller.revision + 1 })
  record(context, 'rotate', 'callers/' + caller.name, null, null)
  return { key }
}

function changeCaller(context) {
  const caller = change(context, 'callers')
  if (context.body.previous_key === null) caller.keys = caller.keys.filter((k) => k.slot === 'key')
  return caller
}

/** A new caller is used by somebody after six seconds. */
function firstCall(caller) {
  const [key] = caller.keys
  if (caller.last_used_at || !key || seconds() - key.created_at < 6 || caller.since < key.created_at) return
  caller.last_used_at = key.last_used_at = seconds()
  caller.calls = { '/cgi-bin/get_api_domain_ip': 1 }
}

const reads = (list) => ({
  [`GET ${list}`]: ({ state, query }) => ({ items: state[list], next: null }),
  [`GET ${list}/:id`]: ({ state, params, answer }) => { const entry = find(state, list, params.id); if (list === 'callers') firstCall(entry); answer.headers.ETag = etag(entry); return entry },
  [`DELETE ${list}/:id`]: (context) => remove(context, list),
})

export const configure = {
  'POST apps/check': ({ body }) => (body.secret?.includes('bad') ? { ok: false, errcode: 40125, advice: ['AppSecret 不对：到公众平台重置或核对', 'Wrong AppSecret: compare it, or reset it on the platform'], ip: null, ms: 143 } : ok(201)),
  'POST apps': (context) => add(context, 'apps', blankApp),
  'PATCH apps/:id': (context) => change(context, 'apps'),
  'POST apps/:id/check': heal,
  'POST apps/:id/refresh': heal,
  'GET apps/:id/history': ({ state, params, query }) => {
    const app = find(state, 'apps', params.id)
    if (!app.credential.fetched_at) return { items: [], next: null }
    const events = ['failed', 'failed', 'fetched', 'healed', 'superseded', 'fetched', 'fetched', 'fetched']
    return page(events.map((event, i) => ({ at: app.credential.fetched_at - i * 6900, event: app.trouble || i > 1 ? event : 'fetched', errcode: app.trouble && event === 'failed' ? 40164 : null, ms: event === 'superseded' ? null : 120 + i * 13, node: i % 2 ? 'n2' : 'n1' })), query)
  },
  'POST callers': (context) => { const key = newKey(); return { ...add(context, 'callers', () => blankCaller(key)), ...(context.body.key ? {} : { key }) } },
  'PATCH callers/:id': changeCaller,
  'POST callers/:id/rotate': rotate,
  'PUT routes/order': order,
  'POST routes/test': ({ state, body }) => ({ items: testRoutes(state, asked(state, body)), next: null }),
  'POST routes': (context) => add(context, 'routes', () => blankRoute(context.state.routes.length + 1)),
  'PATCH routes/:id': (context) => change(context, 'routes'),
  'POST routes/:id/probe': ({ state, params }) => (find(state, 'routes', params.id).failing_since ? { ok: false, status: 502, ms: 11, error: ['对方的网关说后面的服务不可用', 'Its gateway says that the service behind it is unavailable'] } : { ok: true, status: 200, ms: 23, error: null }),
  ...reads('apps'), ...reads('callers'), ...reads('routes'),
}

export const between = (query, at) => (!query.get('from') || at >= Number(query.get('from'))) && (!query.get('to') || at <= Number(query.get('to')))

function events(state, query) {
  const has = (key) => isIn(query.get(key))
  const kind = query.get('event')?.toLowerCase()
  const delivered = (e) => e.deliveries.some((d) => has('route')(d.route) && has('status')(d.status))
  return state.events
    .filter((e) => has('appid')(e.appid) && has('openid')(e.openid) && (!kind || [e.event, e.msg_type].some((k) => k?.toLowerCase() === kind)) && between(query, e.received_at))
    .filter((e) => (!query.get('route') && !query.get('status')) || delivered(e))
    .map(({ detail, ...e }) => e)
}

function deliveries(state, query) {
  return state.events.filter((e) => between(query, e.received_at)).flatMap((e) => e.deliveries).filter((d) => isIn(query.get('route'))(d.route) && isIn(query.get('status'))(d.status) && isIn(query.get('event_id'))(String(d.event_id)))
}

function groups(state, query) {
  const found = new Map()
  for (const d of deliveries(state, query)) {
    const last = d.attempts.at(-1)
    const key = `${d.route} ${last.status}`
    const group = found.get(key) ?? { route: d.route, error: last.error, status: last.status, count: 0, oldest: last.at, newest: last.at }
    Object.assign(group, { count: group.count + 1, oldest: Math.min(group.oldest, last.at), newest: Math.max(group.newest, last.at) })
    found.set(key, group)
  }
  return [...found.values()].sort((a, b) => b.count - a.count)
}

export const inspect = {
  'GET events': ({ state, query }) => page(events(state, query), query),
  'GET events/:id': ({ state, params }) => {
    const found = state.events.find((e) => String(e.id) === params.id)
    if (!found) throw notFound()
    const { detail, ...event } = found
    return { ...event, ...detail, why: testRoutes(state, event) }
  },
  'GET deliveries': ({ state, query }) => page(deliveries(state, query), query),
  'GET deliveries/groups': ({ state, query }) => page(groups(state, query), query),
  'GET refused': ({ state, query }) => page(state.refused.filter((x) => isIn(query.get('appid'))(x.appid) && isIn(query.get('ip'))(x.ip)), query),
  'GET failures': ({ state, query }) => page(state.failures.filter((x) => ['request_id', 'errcode', 'appid', 'caller'].every((k) => isIn(query.get(k))(String(x[k])))), query),
}
