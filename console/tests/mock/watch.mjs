// What the mocked gateway tells of itself: problems, figures, series, quota, errors, alerts and the rest.
import { page, Problem, notFound, seconds, seeded } from './util.mjs'

const meanings = {
  40164: [3584005, '出口 IP 不在白名单', 'The egress IP is not on the allow-list', '微信只接受名单里的 IP', 'WeChat admits listed IPs only', '把 IP 加进 API IP白名单', 'Add the IP to the allow-list', false, 8214],
  43004: [3584009, '用户没有关注', 'The user does not follow the account', '只能发给关注者', 'Only followers get messages', '先引导关注，或换订阅消息', 'Have them follow first, or use subscription messages', false, 611],
  45009: [3584012, '当日额度用完', 'The quota of the day is used up', '接口的每日上限', 'The daily limit of the API', '等到零点，或清零一次', 'Wait till midnight, or clear it once', true, 302],
  40163: [3584006, 'code 用过了', 'The code was used before', '一个 code 只能用一次', 'A code works once', '重新授权', 'Authorise anew', false, 57],
  40003: [3584002, 'openid 不属于这个账号', 'The openid is not of this account', '多半拿错了账号', 'Most likely of another account', '核对 appid 与 openid', 'Compare appid and openid', false, 21],
  47003: [3584009, '模板参数不对', 'Template data does not fit', '字段类型或长度不符', 'A field has the wrong type or length', '按模板的字段规则填', 'Fill it by the rules of the template', false, 12],
}

function problems(state) {
  const now = seconds()
  const list = []
  for (const app of state.apps.filter((a) => a.trouble))
    list.push({
      id: 'ip:' + app.appid, kind: 'ip', severity: 'error', object: { type: 'app', id: app.appid, name: app.name }, since: app.trouble.since, ended_at: null,
      summary: ['微信拒绝了新的出口 IP（40164）', 'WeChat refuses the new egress IP (40164)'], impact: ['令牌 71 分钟后到期；到期后这个账号的调用会全部失败', 'The token ends in 71 minutes; then every call of this account fails'],
      fix: app.trouble.advice, copy: app.trouble.ip, action: { call: `apps/${app.appid}/check`, label: ['重新检测', 'Check again'] }, link: '/apps/' + app.appid, muted_until: null, node: 'n1',
    })
  for (const route of state.routes.filter((x) => x.failing_since))
    list.push({
      id: 'route:' + route.name, kind: 'route', severity: 'warn', object: { type: 'route', id: route.name, name: route.name }, since: route.failing_since, ended_at: null,
      summary: [`路由 ${route.name} 一直投不到（${route.last_error}）`, `Route ${route.name} can't deliver (${route.last_error})`], impact: [`${route.waiting} 条在等，${route.dead} 条已成死信；别的路由不受影响`, `${route.waiting} wait, ${route.dead} are dead; other routes are not affected`],
      fix: ['修好后端即可：待投递的会自动重试', 'Mend the backend: what waits is tried again by itself'], copy: null, action: { call: `routes/${route.name}/probe`, label: ['探一下', 'Probe'] }, link: '/routes/' + route.name, muted_until: null, node: 'n1',
    })
  return list.map((p) => ({ ...p, muted_until: state.muted[p.id] > now ? state.muted[p.id] : null }))
}

const wave = (n, base, seed) => {
  const r = seeded(seed)
  return Array.from({ length: n }, (_, i) => Math.round(base * (0.55 + 0.4 * Math.sin((i / n) * Math.PI)) * (0.9 + r.next() * 0.2)))
}
const spike = (n, base) => wave(n, base, 5).map((v, i) => (i > n - 3 ? v * 30 : v))

export function tick(state) {
  return {
    now: seconds(), calls_min: state.isEmpty ? 0 : 500 + Math.floor(Math.random() * 30), callbacks_min: state.isEmpty ? 0 : 90 + Math.floor(Math.random() * 9), bad_rate: state.isEmpty ? 0 : 0.071,
    waiting: sum(state.routes, 'waiting'), dead: sum(state.routes, 'dead'), rev: state.rev,
  }
}
const sum = (list, key) => list.reduce((total, item) => total + item[key], 0)

function overview(state) {
  const empty = state.isEmpty
  const t = tick(state)
  return {
    now: t.now, rev: state.rev, problems: problems(state),
    figures: { calls_min: [t.calls_min, empty ? null : 492], bad_rate: [t.bad_rate, empty ? null : 0.002], p95: [empty ? null : 128, empty ? null : 131], callbacks_min: [t.callbacks_min, empty ? null : 95], waiting: [t.waiting, 0], dead: [t.dead, 0] },
    sparks: Object.fromEntries(['calls_min', 'bad_rate', 'p95', 'callbacks_min', 'waiting', 'dead'].map((k, i) => [k, empty ? Array(30).fill(null) : i % 2 ? spike(30, 4) : wave(30, 100, i + 1)])),
    apps: { total: state.apps.length, bad: state.apps.filter((a) => a.trouble).length },
    top: empty ? { errcodes: [], routes: [], callers: [] } : {
      errcodes: [[40164, 8214], [43004, 611], [45009, 302], [40163, 57]].map(([key, n]) => ({ key: String(key), n, text: meanings[key].slice(1, 3) })),
      routes: [{ key: 'crm', n: 5120, bad: 812 }, { key: 'shop', n: 3301, bad: 0 }, { key: 'audit-log', n: 8902, bad: 0 }],
      callers: [{ key: 'shop', n: 61200, bad: 8120 }, { key: 'crm', n: 40211, bad: 96 }, { key: 'member-api', n: 9120, bad: 3 }],
    },
    steps: { app: state.apps.length > 0, caller: state.callers.length > 0, call: !empty, message: state.events.length > 0 },
  }
}

const spans = { '1h': [3600, 60], '6h': [21600, 60], '24h': [86400, 600], '7d': [604800, 3600] }

function series(state, query) {
  const [span, usual] = spans[query.get('range') ?? '24h'] ?? spans['24h']
  const to = Number(query.get('to') ?? seconds())
  const from = Number(query.get('from') ?? to - span)
  const step = Number(query.get('step') ?? (query.get('from') ? (to - from > 172800 ? 3600 : to - from > 21600 ? 600 : 60) : usual))
  const start = from - (from % step)
  const n = Math.max(1, Math.ceil((to - start) / step))
  const by = query.get('by') ?? 'total'
  const keys = {
    total: ['total'], appid: state.apps.slice(0, 4).map((a) => a.appid), caller: state.callers.slice(0, 4).map((c) => c.name), route: state.routes.map((x) => x.name),
    api: ['/cgi-bin/message/template/send', '/cgi-bin/user/info', '/sns/oauth2/access_token', '/wxa/getwxacodeunlimit'], errcode: ['40164', '43004', '45009'],
    outcome: { callbacks: ['received', 'duplicate', 'refused', 'failed'], deliveries: ['delivered', 'retried', 'dead'] }[query.get('metric')] ?? ['ok', 'failed', 'refused', 'broken'],
  }[by]
  const item = (key, i) => {
    const size = { failed: 6, refused: 3, broken: 2, retried: 4, dead: 1, duplicate: 2 }[key] ?? 400 / (i + 1)
    const calls = ['failed', 'retried'].includes(key) ? spike(n, size) : wave(n, size, i + 11)
    const p50 = wave(n, 60, i + 31)
    return { key, n: calls, bad: spike(n, 2), p50, p95: p50.map((v) => v * 3), p99: p50.map((v) => v * 6) }
  }
  return { from: start, to: start + n * step, step, partial_from: start + (n - 1) * step, items: state.isEmpty ? [] : keys.map(item) }
}

function errors(state, query) {
  const q = (query.get('q') ?? '').toLowerCase()
  return Object.entries(meanings).map(([code, m]) => ({ code: Number(code), ours: m[0], zh: m[1], en: m[2], cause: [m[3], m[4]], fix: [m[5], m[6]], retry: m[7], seen: state.isEmpty ? 0 : m[8] }))
    .filter((e) => !q || JSON.stringify(e).toLowerCase().includes(q))
}

function quota(state) {
  if (state.isEmpty) return []
  const apis = [['/cgi-bin/message/template/send', 100000, 91200], ['/cgi-bin/user/info', 5000000, 211034], ['/wxa/getwxacodeunlimit', 5000, 320], ['/cgi-bin/menu/create', 1000, 2]]
  return apis.map(([api, limit, used], i) => ({ appid: state.apps[i % 2].appid, api, limit, used, remain: limit - used, rate: i === 2 ? { calls: 5000, seconds: 60 } : null, asked_at: seconds() - 400, callers: [] }))
}

function search(state, query) {
  const q = (query.get('q') ?? '').toLowerCase()
  const found = [
    ...state.apps.map((a) => ({ kind: 'app', title: a.name, subtitle: a.appid, link: '/apps/' + a.appid })),
    ...state.callers.map((c) => ({ kind: 'caller', title: c.name, subtitle: (c.apis ?? []).join(', '), link: '/callers/' + c.name })),
    ...state.routes.map((x) => ({ kind: 'route', title: x.name, subtitle: x.target, link: '/routes/' + x.name })),
    ...state.events.map((e) => ({ kind: 'event', title: `${e.event ?? e.msg_type} ${e.key ?? ''}`, subtitle: `${e.id} ${e.request_id} ${e.openid}`, link: '/events/' + e.id })),
    ...Object.entries(meanings).map(([code, m]) => ({ kind: 'errcode', title: code, subtitle: m[1], link: '/errors/' + code })),
  ]
  return { items: found.filter((x) => `${x.title} ${x.subtitle}`.toLowerCase().includes(q)).slice(0, 12), next: null }
}

export const watch = {
  'GET overview': ({ state }) => overview(state),
  'GET series': ({ state, query }) => series(state, query),
  'GET alerts': ({ state, query }) => ({ now: problems(state), ...page(state.isEmpty ? [] : problems({ ...state, apps: [] }).map((p) => ({ ...p, id: p.id + ':1', since: p.since - 90000, ended_at: p.since - 86400 })), query) }),
  'POST alerts/:id/mute': ({ state, params, body }) => { state.muted[params.id] = body.seconds ? seconds() + body.seconds : 0; state.rev++; return problems(state).find((p) => p.id === params.id) },
  'GET channels': ({ state, query }) => page(state.channels, query),
  'POST channels': ({ state, body }) => { const made = { revision: 1, last_at: null, last_error: null, lang: null, ...body, url: true, secret: Boolean(body.secret) }; state.channels.push(made); return made },
  'PATCH channels/:name': ({ state, params, body }) => Object.assign(one(state.channels, params.name), { ...body, url: true }),
  'DELETE channels/:name': ({ state, params }) => { state.channels = state.channels.filter((c) => c.name !== params.name) },
  'POST channels/:name/test': ({ params }) => (params.name === 'oncall' ? { ok: false, status: 200, error: ['机器人说关键词不对', 'The robot says that the keyword is missing'] } : { ok: true, status: 200, error: null }),
  'GET quota': ({ state, query }) => page(quota(state).filter((x) => !query.get('appid') || x.appid === query.get('appid')), query),
  'POST quota/ask': ({ state, body }) => ({ ...(quota(state).find((x) => x.appid === body.appid && x.api === body.api) ?? quota(state)[0]), asked_at: seconds() }),
  'GET errors': ({ state, query }) => page(errors(state, query), query),
  'GET errors/:code': ({ state, params }) => {
    const found = errors(state, new URLSearchParams()).find((e) => String(e.code) === params.code)
    if (!found) throw notFound()
    return { ...found, samples: state.failures.filter((f) => f.errcode === found.code).slice(0, 10), by: { apps: [{ key: 'wx3cc8fd6963e31a32', n: found.seen }], callers: [{ key: 'shop', n: found.seen }], apis: [{ key: '/cgi-bin/token', n: found.seen }] } }
  },
  'GET audit': ({ state, query }) => page(state.audit.filter((a) => (!query.get('actor') || a.actor === query.get('actor')) && (!query.get('target') || a.target.startsWith(query.get('target')))), query),
  'GET nodes': ({ state, query }) => page([{ id: 1, version: '0.9.0', address: 'http://10.0.0.2:36012', beat_at: seconds() - 1, self: true, routes: 5 }, { id: 2, version: '0.9.0', address: 'http://10.0.0.3:36012', beat_at: seconds() - 2, self: false, routes: 0 }].slice(0, state.isEmpty ? 1 : 2), query),
  'GET search': ({ state, query }) => search(state, query),
  'POST reload': () => ({ ok: true, said: 'apps 3, callers 4, routes 5; [server] after a restart' }),
  'POST backup': () => { throw new Problem(409, '数据库是 PostgreSQL：请用 pg_dump', 'The database is PostgreSQL: use pg_dump') },
  'GET settings': ({ state }) => ({ version: '0.9.0', config_file: '/etc/wxgate/wxgate.toml', node: 1, admin_url: null, public_url: state.isEmpty ? null : 'https://wx.example.com', listen: 'http://127.0.0.1:37112', retention_hours: { events: 72, dead_letters: 720 }, store: { kind: 'sqlite', place: '/var/lib/wxgate/wxgate.db', bytes: 412_332_032 }, sections: [{ name: 'server', running: { listen: '0.0.0.0:36012', admin_listen: '127.0.0.1:36013', public_url: 'https://wx.example.com' }, file: { listen: '0.0.0.0:36012', admin_listen: '10.0.0.2:36013', public_url: 'https://wx.example.com' }, pending: true }, { name: 'log', running: { level: 'info', access: 'all' }, file: { level: 'info', access: 'all' }, pending: false }] }),
}

function one(list, name) {
  const found = list.find((x) => x.name === name)
  if (!found) throw notFound()
  return found
}
