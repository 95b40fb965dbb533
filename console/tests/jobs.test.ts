import { afterEach, expect, test, vi } from 'vitest'
import type { Delivery, ReplayJob, SendJob } from '../src/api/types'

vi.hoisted(() => {
  vi.stubGlobal('navigator', { language: 'en' })
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {} }))
  vi.stubGlobal('document', { documentElement: { dataset: {} }, hidden: false, addEventListener() {}, createElement: () => ({}) })
  vi.stubGlobal('localStorage', { getItem: () => '{"lang":"en"}', setItem() {} })
})

const { deadLink, done, etaOf, kindOf, left, remember } = await import('../src/pages/jobs/job')
const { findOne, isOf, isRate, tryOne } = await import('../src/pages/jobs/replay')

const replay: ReplayJob = { id: 1, kind: 'replay', status: 'running', total: 100, delivered: 20, failed: 5, waiting: 75, rate: 50, made_at: 1000, ended_at: null, actor: 'admin', filter: { route: 'crm', status: 'dead' } }
const batch: SendJob = { id: 2, kind: 'send', status: 'done', total: 10, sent: 8, failed: 1, unknown: 1, rate: 50, made_at: 1000, ended_at: 1010, actor: 'shop' }

afterEach(() => void vi.useRealTimers())

test('how far a job is', () => {
  expect([done(replay), left(replay)]).toEqual([25, 75])
  expect([done(batch), left(batch)]).toEqual([10, 0])
  expect([kindOf(replay), kindOf(batch), kindOf({ ...batch, sent: 10 }), kindOf({ ...replay, status: 'stopped' })]).toEqual(['info', 'warn', 'ok', 'idle'])
  expect(deadLink(replay)).toEqual({ path: '/dead', query: { route: 'crm' } })
  expect(deadLink({ ...replay, filter: null })).toEqual({ path: '/dead' })
})

test('the time left is told by what was done of late', () => {
  // Nothing seen yet: as fast as was asked for.
  expect(etaOf({ ...replay, delivered: 0, failed: 0 }, [], 1000)).toBe(2)
  expect(etaOf(replay, [], 1005)).toBe(15)
  expect(etaOf(replay, [{ at: 1000, done: 5 }, { at: 1010, done: 25 }], 1010)).toBe(37.5)
  expect(etaOf(replay, [{ at: 1000, done: 25 }, { at: 1010, done: 25 }], 1010)).toBeNull()
})

test('only the last seconds are remembered', () => {
  const samples = Array.from({ length: 60 }, (_, at) => ({ at, done: at })).reduce(remember, [])
  expect([samples[0]!.at, samples.at(-1)!.at]).toEqual([40, 59])
})

test('a rate is a whole number from 1 to 1000', () => {
  expect([1, 1000].every(isRate)).toBe(true)
  expect([0, 1001, 1.5, '', NaN, '50'].some(isRate)).toBe(false)
})

const delivery = (id: number, status: number | null, more = {}): Delivery => ({ id, event_id: id, route: 'crm', status: 'dead', attempts: [{ at: 1, status, ms: 1, error: null }], next_at: null, ...more })
const filter = { route: 'crm', status: 'dead', error_status: 502 } as const

test('which deliveries a filter is about', () => {
  expect(isOf(filter, delivery(1, 502))).toBe(true)
  expect(isOf({ ...filter, error_status: 0 }, delivery(1, null))).toBe(true)
  const [late, refused] = [{ ...filter, from: 2 }, { ...filter, error: 'refused' }]
  expect([isOf(late, delivery(1, 502)), isOf({ ...filter, from: 1, to: 2 }, delivery(1, 502)), isOf(refused, delivery(1, 502)), isOf({ ...filter, error: '' }, delivery(1, 502))]).toEqual([false, true, false, true])
  expect([delivery(1, 500), delivery(1, 502, { route: 'shop' }), delivery(1, 502, { status: 'pending' })].some((one) => isOf(filter, one))).toBe(false)
})

function answers(...all: unknown[]) {
  const asked: [string, unknown][] = []
  vi.stubGlobal('fetch', async (path: string, { body }: { body?: string }) => {
    asked.push([path, body && JSON.parse(body)])
    return new Response(JSON.stringify(all.length > 1 ? all.shift() : all[0]))
  })
  return asked
}

test('one of a group is looked for page by page', async () => {
  const asked = answers({ items: [delivery(9, 500)], next: 'c' }, { items: [delivery(8, 502)], next: null })
  expect((await findOne(filter))?.id).toBe(8)
  expect(asked.map(([path]) => path)).toEqual(['/api/v1/deliveries?route=crm&status=dead&limit=500', '/api/v1/deliveries?route=crm&status=dead&limit=500&cursor=c'])
})

test('what deliveries do not know is looked for among messages', async () => {
  const asked = answers({ items: [{ id: 3, deliveries: [delivery(31, 200, { status: 'delivered' }), delivery(32, 502)] }], next: null })
  expect((await findOne({ status: 'dead', event: 'SCAN' }))?.id).toBe(32)
  expect(asked[0]![0]).toBe('/api/v1/events?event=SCAN&status=dead&limit=500')
})

test('the one that is tried is watched until its first attempt has ended', async () => {
  vi.useFakeTimers()
  const waits = { items: [delivery(8, 502, { status: 'pending', attempts: [] })], next: null }
  const came = { items: [delivery(8, 200, { status: 'delivered', attempts: [{ at: 9, status: 200, ms: 4, error: null }] })], next: null }
  const asked = answers({ job_id: 1, total: 1 }, waits, came)
  const outcome = tryOne(delivery(8, 502), () => true)
  await vi.advanceTimersByTimeAsync(5000)
  expect((await outcome)?.status).toBe('delivered')
  expect(asked[0]![1]).toEqual({ ids: [8], rate: 50 })
  expect(asked).toHaveLength(3)
})

test('who closes the dialog waits for nothing', async () => {
  vi.useFakeTimers()
  answers({ job_id: 1, total: 1 })
  const outcome = tryOne(delivery(8, 502), () => false)
  await vi.advanceTimersByTimeAsync(5000)
  expect(await outcome).toBeUndefined()
})
