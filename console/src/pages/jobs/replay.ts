import { get, send, withParams } from '../../api/client'
import type { Delivery, Event, List, ReplayFilter, ReplayPlan } from '../../api/types'

export const RATE = 50
export const MOST = 1000

/** What a replay would send again. */
export const plan = (filter: ReplayFilter) => send<ReplayPlan>('POST', 'replay', { filter, dry_run: true })

/** Begins a replay of all that match. */
export const begin = (filter: ReplayFilter, rate: number) => send<{ job_id: string | number; total: number }>('POST', 'replay', { filter, rate })

export const isRate = (rate: unknown) => Number.isInteger(rate) && Number(rate) >= 1 && Number(rate) <= MOST

const PAGES = 20
const PAGE = 500

/** Whether a delivery is among those that a filter is about, as far as the delivery itself tells. */
export function isOf(filter: ReplayFilter, one: Delivery) {
  const { route, status, error_status, error, from, to } = filter
  const last = one.attempts.at(-1)
  // Dead letters are of the time at which they were given up.
  const at = status === 'dead' ? last?.at : undefined
  return one.status === status && (!route || one.route === route)
    && (error_status === undefined || (last?.status || 0) === error_status)
    && (error === undefined || (last?.error ?? '') === error)
    && (at === undefined || (at >= (from ?? 0) && at < (to ?? Infinity)))
}

/** The newest delivery that a filter is about. Lists know no status of an attempt: some pages are looked through. */
export async function findOne(filter: ReplayFilter): Promise<Delivery | undefined> {
  const { route, status, appid, openid, event } = filter
  const { from, to } = status === 'delivered' ? filter : {}
  const ofEvents = [appid, openid, event, from, to].some((one) => one !== undefined)
  let cursor: string | null = null
  for (let n = 0; n < PAGES; n++) {
    const path = ofEvents
      ? withParams('events', { appid, openid, event, route, status, from, to, limit: PAGE, cursor })
      : withParams('deliveries', { route, status, limit: PAGE, cursor })
    const page: List<Event | Delivery> = await get(path)
    const found = page.items.flatMap((one) => ('deliveries' in one ? one.deliveries : [one])).find((one) => isOf(filter, one))
    if (found || !page.next) return found
    cursor = page.next
  }
  return undefined
}

const LOOKS = 40
const PAUSE = 750

/** Sends one again, and gives it back when its first attempt has ended; undefined if it hasn't within 30 s. */
export async function tryOne(one: Delivery, isWanted: () => boolean): Promise<Delivery | undefined> {
  const before = one.attempts.at(-1)?.at
  await send('POST', 'replay', { ids: [one.id], rate: RATE })
  for (let n = 0; n < LOOKS && isWanted(); n++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
    const { items } = await get<List<Delivery>>(withParams('deliveries', { event_id: one.event_id, route: one.route }))
    const now = items.find((each) => each.id === one.id)
    const last = now?.attempts.at(-1)
    if (now && last && (last.at !== before || now.attempts.length !== one.attempts.length || now.status !== one.status)) return now
  }
  return undefined
}
