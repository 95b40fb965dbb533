import { expect, test, vi } from 'vitest'
import type { Route } from '../src/api/types'

vi.hoisted(() => {
  vi.stubGlobal('navigator', { language: 'en' })
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {} }))
  vi.stubGlobal('document', { documentElement: { dataset: {} }, hidden: false, addEventListener() {}, createElement: () => ({}) })
  vi.stubGlobal('localStorage', { getItem: () => '{"lang":"en","zone":"Asia/Shanghai"}', setItem() {} })
})

const { reachable } = await import('../src/lib/base')
const { snippets } = await import('../src/pages/callers/snippets')
const { changesOf, formOf, mistakes, wished } = await import('../src/pages/entry/form')
const { toml } = await import('../src/pages/entry/toml')
const { flowOf, hostOf } = await import('../src/pages/routes/flow')
const { stateOf } = await import('../src/pages/routes/routeState')

const route = { name: 'shop', target: 'http://10.0.0.5/wx', events: ['SCAN', 'subscribe'], apps: null, format: 'json', secret: true, reply: false, stop: false, concurrency: 8, timeout: '15s', paused: false, origin: 'store', position: 1 }

test('a form that nobody touched changes nothing', () => {
  expect(changesOf('routes', formOf('routes', route), route)).toEqual({})
})

test('what is changed is sent, and nothing else', () => {
  const form = { ...formOf('routes', route), events: 'SCAN\n click ', reply: 'raw', stop: true, concurrency: '16', scenes: '' }
  expect(changesOf('routes', form, route)).toEqual({ events: ['SCAN', 'click'], reply: 'raw', stop: true, concurrency: 16 })
})

test('an emptied list is taken away, a secret only when asked', () => {
  const form = { ...formOf('routes', route), events: '' }
  expect(changesOf('routes', form, route)).toEqual({ events: null })
  expect(changesOf('routes', { ...form, secret: null }, route)).toEqual({ events: null, secret: null })
})

test('a new caller says what it may, and its quotas as the API wants them', () => {
  const form = { ...formOf('callers', null), name: 'shop', apps: '*', apis: '/wxa/*', quotas: '/cgi-bin/message/* = 10000/d\n* 20 / m' }
  expect(mistakes('callers', form, null)).toEqual({})
  expect(changesOf('callers', form, null)).toEqual({ name: 'shop', apps: ['*'], apis: ['/wxa/*'], quotas: { '/cgi-bin/message/*': '10000/d', '*': '20/m' } })
})

test('nobody is given everything for saying nothing', () => {
  expect(Object.keys(mistakes('callers', formOf('callers', null), null))).toEqual(['name', 'apps', 'apis'])
})

test('a quota that can’t be read is refused, and no name breaks a path', () => {
  const wrong = (values: object) => mistakes('callers', { ...formOf('callers', null), name: 'shop', apps: '*', apis: '*', ...values }, null)
  for (const quotas of ['/cgi-bin/message/*', '10000/d', '/cgi-bin/x = 0/d', '/cgi-bin/x 10/s', '/v1/service/wx/jssdk = 1/d', '/cgi-bin/x = 1/d\n/cgi-bin/x = 2/m']) expect(wrong({ quotas }), quotas).toHaveProperty('quotas')
  for (const name of ['a/b', '.', '..', 'a\tb', 'x'.repeat(65)]) expect(wrong({ name }), name).toHaveProperty('name')
  for (const name of ['商城', '...', 'a.b', '店'.repeat(64)]) expect(wrong({ name }), name).toEqual({})
})

test('no retries are not the usual retries', () => {
  const none = { ...route, retry: [] }
  expect(changesOf('routes', formOf('routes', none), none)).toEqual({})
  expect(changesOf('routes', { ...formOf('routes', route), retry: '[]' }, route)).toEqual({ retry: [] })
  expect(changesOf('routes', { ...formOf('routes', none), retry: '' }, none)).toEqual({ retry: null })
  expect(toml('routes', none, 'kept')).toContain('retry = []')
})

test('order goes with no passive reply, which is said at once', () => {
  const form = { ...formOf('routes', route), ordered: true }
  expect(mistakes('routes', form, route)).toEqual({})
  expect(changesOf('routes', form, route)).toEqual({ ordered: true })
  for (const reply of ['true', 'raw']) expect(mistakes('routes', { ...form, reply }, route), reply).toMatchObject({ ordered: { atOnce: true } })
  expect(mistakes('routes', { ...form, reply: 'true', ordered: false }, route)).toEqual({})
})

test('a late reply goes as a customer-service message, as long as there is a reply', () => {
  const replying = { ...route, reply: true, reply_wait: '4.5s', late_reply: 'custom' }
  expect(changesOf('routes', { ...formOf('routes', route), reply: 'true', late_reply: true }, route)).toEqual({ reply: true, late_reply: 'custom' })
  expect(changesOf('routes', formOf('routes', replying), replying)).toEqual({})
  expect(changesOf('routes', { ...formOf('routes', replying), late_reply: false }, replying)).toEqual({ late_reply: null })
  for (const [reply, sent] of [['false', false], ['raw', 'raw']] as const) expect(changesOf('routes', { ...formOf('routes', replying), reply }, replying)).toEqual({ reply: sent, late_reply: null })
  expect(toml('routes', wished('routes', { ...formOf('routes', replying), reply: 'raw' }, replying), 'kept')).not.toContain('late_reply')
})

test('with the form of a message goes what signs the other form', () => {
  expect(changesOf('routes', { ...formOf('routes', route), format: 'wechat' }, route)).toEqual({ format: 'wechat', secret: null })
  const sealed = { ...route, format: 'wechat', secret: null, token: true, aes_key: true }
  expect(changesOf('routes', { ...formOf('routes', sealed), format: 'json', secret: 'whsec_x' }, sealed)).toEqual({ format: 'json', secret: 'whsec_x', token: null, aes_key: null })
})

test('a route whose backend is left alone says so, unless it is paused', () => {
  const state = (more: object) => stateOf({ ...route, unused: null, failing_since: 1, ...more } as unknown as Route).word
  expect([state({ breaker: 'closed' }), state({ breaker: 'open' }), state({ breaker: 'open', paused: true }), state({ failing_since: null })]).toEqual(['failing', 'held', 'paused', 'ok'])
})

test('as TOML: what is usual is left out, a secret is a remark, texts are quoted', () => {
  const text = toml('routes', wished('routes', { ...formOf('routes', route), timeout: '5s' }, route), 'kept')
  expect(text).toBe('[[routes]]\nname = "shop"\ntarget = "http://10.0.0.5/wx"\nevents = ["SCAN", "subscribe"]\nformat = "json"\n# secret: kept\ntimeout = "5s"\n')
})

test('the flow joins what routes share and adds up what went over it', () => {
  const other = { ...route, name: 'crm', events: ['SCAN'], target: 'https://crm.example.com/x', position: 2 }
  const flow = flowOf([route, other] as unknown as Route[], () => 10)
  expect(flow.columns.events.map((node) => node.text)).toEqual(['SCAN', 'subscribe'])
  expect(flow.columns.sources).toHaveLength(1)
  expect(flow.edges.find((edge) => edge.from === 'sources:' && edge.to === 'events:SCAN')?.n).toBe(20)
  expect(hostOf('http://10.0.0.5:8080/wx/{appid}')).toBe('10.0.0.5:8080')
})

test('every snippet names the address, the account and the key', () => {
  for (const isMini of [false, true]) {
    for (const { id, code } of snippets) {
      const text = code({ base: 'https://wx.example.com', appid: 'wx1', key: 'wxk_secret', isMini, name: 'shop', apis: ['*'] })
      for (const part of ['https://wx.example.com', 'wx1', 'wxk_secret']) expect(text, id).toContain(part)
    }
  }
})

test('who needs no key shows none', () => {
  const [curl, sdk] = snippets.map(({ code }) => code({ base: 'https://w', appid: 'wx1', key: null, isMini: false, name: 'anonymous', apis: ['*'] }))
  expect(curl).not.toMatch(/Bearer|null/)
  expect(sdk).not.toMatch(/wxk_|null/)
})

test('services call where it listens, by a name that they can reach', () => {
  expect(reachable('http://127.0.0.1:37112', 'wx.lan')).toBe('http://127.0.0.1:37112')
  expect(['https://0.0.0.0:36012', 'https://[::]:36012'].map((listen) => reachable(listen, 'wx.lan'))).toEqual(Array(2).fill('https://wx.lan:36012'))
})

test('the curl calls what the caller may', () => {
  const call = (apis: string[]) => snippets[0]!.code({ base: 'https://w', appid: 'wx1', key: 'k', isMini: false, name: 'shop', apis })
  expect(call(['*'])).toContain('/cgi-bin/get_api_domain_ip')
  expect(call(['/v1/service/wx/*'])).toContain('"source":"shop"')
  expect(call(['*', '!/cgi-bin/*', '!/v1/service/wx/*'])).not.toContain('get_api_domain_ip')
  expect(call(['/wxa/*'])).toContain("'https://w/wxa/'")
})
