import { expect, test, vi } from 'vitest'

vi.hoisted(() => {
  vi.stubGlobal('navigator', { language: 'en' })
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {} }))
  vi.stubGlobal('document', { documentElement: { dataset: {} }, hidden: false, addEventListener() {}, createElement: () => ({}) })
  vi.stubGlobal('localStorage', { getItem: () => '{"lang":"en","zone":"Asia/Shanghai"}', setItem() {} })
})

const format = await import('../src/lib/format')
const time = await import('../src/lib/time')
const { prefs } = await import('../src/lib/prefs')
const { localPath } = await import('../src/lib/url')
const { withParams } = await import('../src/api/client')
const { shifted, valuesOf, stepFor, shiftFor, bucketsOf } = await import('../src/ui/chart')
const { changes, linkOf } = await import('../src/pages/audit/changes')
const { runsOutAt } = await import('../src/pages/quota/forecast')
const { differing } = await import('../src/pages/settings/sections')

test('numbers', () => {
  expect(format.count(1284)).toBe('1,284')
  expect(format.count(null)).toBe('—')
  expect([0, 0.0004, 0.071, 0.5].map(format.percent)).toEqual(['0 %', '< 0.1 %', '7.1 %', '50 %'])
  expect(format.bytes(412_332_032)).toBe('393 MiB')
  expect(format.compact(1500)).toBe('1.5k')
  expect(format.shortId('wx3cc8fd6963e31a32')).toBe('wx3cc8…1a32')
})

test('times are those of the zone chosen', () => {
  const at = Date.UTC(2026, 10, 26, 18, 0, 1) / 1000
  expect(time.day(at)).toBe('2026-11-27')
  expect(time.clock(at)).toBe('02:00:01')
  expect(time.offset(at)).toBe('UTC+8')
  expect(time.exactMs(at * 1000 + 208)).toBe('2026-11-27 02:00:01.208')
  prefs.zone = 'UTC'
  expect(time.clock(at)).toBe('18:00:01')
  prefs.zone = 'Asia/Shanghai'
})

test('a local time is read in the zone chosen, also around a change of the clocks', () => {
  for (const zone of ['Asia/Shanghai', 'UTC', 'America/New_York', 'Europe/Berlin']) {
    prefs.zone = zone
    for (const at of [1774746000, 1774749600, 1795658400, 1793491200]) {
      const again = time.fromLocal(`${time.day(at)}T${time.minute(at)}`)
      expect(Math.abs(again! - at) % 3600, zone).toBe(0)
      expect(`${time.day(again!)} ${time.minute(again!)}`, zone).toBe(`${time.day(at)} ${time.minute(at)}`)
    }
  }
  prefs.zone = 'Asia/Shanghai'
  expect(time.fromLocal('')).toBeNull()
})

test('countdowns', () => {
  expect([108, 5, 3723, -4].map(time.countdown)).toEqual(['1:48', '0:05', '1:02:03', '0:00'])
})

test('the login leads nowhere else', () => {
  expect(['/events?a=1', '//evil.example', '/\\evil.example', 'https://evil.example', undefined].map(localPath)).toEqual(['/events?a=1', '/', '/', '/', '/'])
})

test('parameters without a value are left out', () => {
  expect(withParams('events', { appid: 'wx1', openid: '', route: null, n: 0 })).toBe('events?appid=wx1&n=0')
})

const series = (from: number, step: number, n: (number | null)[], key = 'total') => ({ from, to: from + n.length * step, step, partial_from: null, items: [{ key, n, bad: [], p50: [], p95: [], p99: [] }] })

test('series', () => {
  expect(bucketsOf(series(600, 60, [1, 2, 3]))).toEqual([600, 660, 720])
  expect(valuesOf(series(600, 60, [1, null, 3]), 'total')).toEqual([1, null, 3])
  expect(valuesOf(series(600, 60, [1, 2]), 'other')).toEqual([0, 0])
  expect(valuesOf({ ...series(600, 60, [1, 2]), items: [] }, 'total')).toEqual([null, null])
  // Yesterday is kept in longer buckets: its counts are spread over the shorter ones.
  expect(shifted(series(0, 600, [100, 200]), 'total', 86400, [86400, 86460, 87000], 60)).toEqual([10, 10, 20])
  expect([3600, 86400, 604800].map(stepFor)).toEqual([60, 600, 3600])
  expect([3600, 86400, 604800].map(shiftFor)).toEqual([86400, 86400, 604800])
})

test('what an entry of the audit changed', () => {
  expect(changes({ timeout: '5s', stop: true }, { timeout: '15s', stop: true })).toEqual([{ key: 'timeout', before: '5s', after: '15s', hidden: false }])
  expect(changes(null, { name: 'crm' })).toEqual([{ key: 'name', before: null, after: 'crm', hidden: false }])
  expect(changes({ quotas: { '/x': '***' } }, { quotas: { '/x': '***' } }).map((one) => one.hidden)).toEqual([true])
  expect(changes(null, null)).toEqual([])
  expect([linkOf('apps/wx1'), linkOf('users/admin'), linkOf('reload')]).toEqual(['/apps/wx1', null, null])
})

test('when a quota runs out', () => {
  const midnight = Date.UTC(2026, 10, 26, 16) / 1000
  expect(runsOutAt(500, 1000, midnight + 6 * 3600)).toBe(midnight + 12 * 3600)
  expect(runsOutAt(100, 1000, midnight + 12 * 3600)).toBeNull()
  expect(runsOutAt(0, 1000, midnight + 12 * 3600)).toBeNull()
})

test('sections tell first what differs', () => {
  expect(differing({ a: 1, b: 2 }, { a: 1, b: 3 }).map((row) => [row.key, row.differs])).toEqual([['b', true], ['a', false]])
})
