// Accounts, callers and routes of the mocked gateway.
import { seconds, seeded } from './util.mjs'

const r = seeded(20261127)
const hour = 3600

function app(appid, name, more = {}) {
  const now = seconds()
  return {
    appid, name, kind: 'official', tags: ['prod'], secret: true, original_id: 'gh_' + r.hex(12), callback_token: true, previous_callback_token: null,
    aes_key: true, previous_aes_key: null, allow_plain: false, token_mode: 'stable', proxy: null, oauth_redirects: [],
    origin: 'store', file: null, revision: r.int(1, 9), unused: null,
    credential: { mode: 'stable', state: 'ok', fetched_at: now - r.int(600, 5000), expires_at: now + r.int(1500, 6600), next_at: now + r.int(1200, 1400) },
    trouble: null, superseded_at: null,
    callback: { url: `https://wx.example.com/v1/service/wx/wxmsg/${appid}`, mode: 'safe', last_at: now - r.int(2, 900), refused_at: null, reason: null },
    calls24: { n: r.int(800, 90000), bad: r.int(0, 120) }, callers: [],
    ...more,
  }
}

function apps() {
  const now = seconds()
  const named = [
    app('wx3cc8fd6963e31a32', '商城服务号', {
      tags: ['prod', 'shop'],
      credential: { mode: 'stable', state: 'trouble', fetched_at: now - 2920, expires_at: now + 4280, next_at: now + 410 },
      trouble: { errcode: 40164, since: now - 2880, retry_at: now + 410, ip: '203.0.113.47', advice: ['出口 IP 203.0.113.47 不在白名单：微信开发者平台 → 我的业务 → 公众号 → 基础信息 → API IP白名单，加上它，几分钟后生效', 'Egress IP 203.0.113.47 is not on the allow-list: add it at 微信开发者平台 → 我的业务 → 公众号 → 基础信息 → API IP白名单; it takes a few minutes'] },
      calls24: { n: 128412, bad: 8214 },
    }),
    app('wx7d01a92be55c0f18', '会员小程序', { kind: 'mini', tags: ['prod', 'member'], calls24: { n: 96120, bad: 57 } }),
    app('wxa0b7e41d2290cc5e', '品牌订阅号', { origin: 'file', file: 'apps.d/brand.toml:12', revision: null, credential: { mode: 'classic', state: 'superseded', fetched_at: now - 300, expires_at: now + 6900, next_at: now + 6200 }, token_mode: 'classic', superseded_at: now - 1260 }),
    app('wx5f6602d3b81ea74c', '客服小程序', { kind: 'mini', tags: ['prod'], callback: { url: 'https://wx.example.com/v1/service/wx/wxmsg/wx5f6602d3b81ea74c', mode: 'safe', last_at: now - 7200, refused_at: now - 320, reason: ['签名不对：公众平台上的 Token 与这里的 callback_token 不同', 'Wrong signature: the Token on the platform differs from callback_token here'] } }),
    app('wx90ce14f7aa3d2b61', '活动服务号（测试）', { tags: ['test'], aes_key: null, callback: { url: 'https://wx.example.com/v1/service/wx/wxmsg/wx90ce14f7aa3d2b61', mode: 'plain', last_at: now - 40000, refused_at: null, reason: null }, credential: { mode: 'stable', state: 'none', fetched_at: null, expires_at: null, next_at: null }, calls24: { n: 0, bad: 0 } }),
    app('wxb2c41f09d7e6538a', '门店小程序', { kind: 'mini', tags: ['prod', 'store'], credential: { mode: 'stable', state: 'expiring', fetched_at: now - 7010, expires_at: now + 190, next_at: now + 12 } }),
    app('wx41de7790c2ab5f36', '海外服务号', { unused: ['apps.d/brand.toml:30 里已有同名的账号，文件优先', 'apps.d/brand.toml:30 has the same account; the file wins'], credential: { mode: 'stable', state: 'none', fetched_at: null, expires_at: null, next_at: null }, calls24: { n: 0, bad: 0 }, callback: { url: 'https://wx.example.com/v1/service/wx/wxmsg/wx41de7790c2ab5f36', mode: null, last_at: null, refused_at: null, reason: null } }),
  ]
  const cities = ['北京', '上海', '广州', '深圳', '杭州', '成都', '武汉', '西安', '南京', '重庆', '苏州', '长沙', '青岛', '宁波', '无锡', '厦门']
  const branches = Array.from({ length: 53 }, (_, i) =>
    app('wx' + r.hex(16), `${cities[i % 16]}${Math.floor(i / 16) + 1}店${i % 3 ? '小程序' : '服务号'}`, { kind: i % 3 ? 'mini' : 'official', tags: ['prod', 'branch'] }))
  return [...named, ...branches]
}

function caller(name, more = {}) {
  const now = seconds()
  return {
    name, key: true, previous_key: null, apps: ['*'], apis: ['*'], networks: [], rate: 0, concurrency: 0, export_token: false, may_reply: false,
    origin: 'store', file: null, revision: 1, unused: null, last_used_at: now - r.int(3, 400),
    calls: { '/cgi-bin/message/template/send': r.int(1000, 40000), '/cgi-bin/user/info': r.int(300, 9000), '/sns/oauth2/access_token': r.int(10, 900) },
    since: now - 26 * 86400, refused: 0, expires_at: null, quotas: {}, used: {},
    keys: [{ slot: 'key', hint: '…' + r.hex(4), created_at: now - 40 * 86400, last_used_at: now - r.int(3, 400) }],
    ...more,
  }
}

function callers() {
  const now = seconds()
  return [
    caller('shop', {
      apps: ['tag:shop', 'wx7d01a92be55c0f18'], apis: ['/v1/service/wx/*', '/cgi-bin/*', '!/cgi-bin/menu/*'], networks: ['10.0.0.0/8'], rate: 200, concurrency: 64, previous_key: true,
      quotas: { '/cgi-bin/message/template/send': '50000/d', '/wxa/getwxacodeunlimit': '3000/h' },
      used: { '/cgi-bin/message/template/send': { used: 38211, limit: 50000, resets_at: now + 5 * hour }, '/wxa/getwxacodeunlimit': { used: 211, limit: 3000, resets_at: now + 1400 } },
      refused: 38, last_used_at: now - 12,
      keys: [{ slot: 'key', hint: '…a9f2', created_at: now - 7200, last_used_at: now - 12 }, { slot: 'previous_key', hint: '…77c1', created_at: now - 200 * 86400, last_used_at: now - 184 }],
    }),
    caller('crm', { may_reply: true, apis: ['/cgi-bin/message/*', '/cgi-bin/user/*'], refused: 412 }),
    caller('member-api', { apps: ['tag:member'], apis: ['/wxa/*', '/sns/jscode2session'], rate: 100 }),
    caller('ops-export', { export_token: true, networks: ['10.9.8.0/24'], origin: 'file', file: 'wxgate.toml:callers[0] "ops-export"', revision: null }),
    caller('campaign-2026', { expires_at: now + 6 * 86400, last_used_at: null, calls: {}, keys: [{ slot: 'key', hint: '…03de', created_at: now - 900, last_used_at: null }] }),
    caller('pilot', { expires_at: now - 3600, last_used_at: null, calls: {}, since: null }),
    { name: 'anonymous', last_used_at: now - 60, calls: { '/cgi-bin/user/info': 3 }, since: now - 3600, refused: 0, keys: [], expires_at: null, quotas: {}, used: {} },
    caller('legacy-php', { last_used_at: now - 19 * 86400, unused: null, refused: 2 }),
  ]
}

function route(name, target, more = {}) {
  return {
    name, apps: null, events: null, openids: null, scenes: null, target, format: 'wechat', token: null, aes_key: null, reply: false, reply_wait: '4.5s', late_reply: '', stop: false, ordered: false,
    concurrency: 8, timeout: '15s', retry: ['5s', '30s', '2m', '10m', '1h', '3h', '6h', '12h', '24h'], secret: null, previous_secret: null,
    position: 0, origin: 'store', file: null, revision: 1, unused: null, paused: false, waiting: 0, dead: 0, p95: r.int(9, 60), failing_since: null, last_error: null, breaker: 'closed',
    ...more,
  }
}

function routes() {
  const now = seconds()
  const list = [
    route('shop', 'http://10.0.3.4:8080/wx', { apps: ['tag:shop'], events: ['SCAN', 'subscribe'], scenes: ['login_*'], reply: true, late_reply: 'custom', p95: 41 }),
    route('crm', 'http://10.0.3.7:8080/wx/{appid}', { events: ['subscribe', 'unsubscribe', 'SCAN', 'CLICK'], waiting: 1284, dead: 37, p95: 15000, failing_since: now - 1140, last_error: 'HTTP 502', breaker: 'open' }),
    route('kefu', 'https://kefu.example.com/hooks/wechat', { apps: ['wx5f6602d3b81ea74c'], events: ['message:*'], format: 'json', secret: true, stop: true, p95: 88 }),
    route('coupon', 'http://10.0.5.20:9000/callback', { apps: ['tag:branch'], events: ['event:LOCATION', 'card_*'], paused: true, waiting: 212, dead: 6, p95: null }),
    route('audit-log', 'http://10.0.3.9/hook', { format: 'json', secret: true, origin: 'file', file: 'routes.toml:3', revision: null, ordered: true, waiting: 3, p95: 6 }),
  ]
  return list.map((entry, i) => ({ ...entry, position: i + 1 }))
}

export function entries(isEmpty) {
  if (isEmpty) return { apps: [], callers: [], routes: [] }
  const all = { apps: apps(), callers: callers(), routes: routes() }
  all.apps.forEach((a, i) => { a.callers = i === 0 ? ['shop', 'crm', 'legacy-php'] : i === 1 ? ['shop', 'member-api'] : ['crm'] })
  return all
}
