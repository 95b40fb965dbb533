import { onScopeDispose, ref, shallowRef } from 'vue'
import { get, withParams } from '../api/client'
import { session } from '../api/session'
import type { LiveTopic, Tick } from '../api/types'
import { setClock } from './clock'

export type LiveState = 'connecting' | 'live' | 'polling' | 'stopped'

interface Listener {
  topics: LiveTopic[]
  filters?: () => Record<string, string>
  row?: (topic: LiveTopic, item: unknown) => void
  more?: (topic: LiveTopic, n: number) => void
  poll?: () => unknown
}

const SILENT = 30_000
const POLL = 10_000

export const liveState = ref<LiveState>('connecting')
export const tick = shallowRef<Tick>()

const listeners = new Set<Listener>()
let source: EventSource | undefined
let address = ''
let heardAt = 0
let polledAt = 0
let openedAt = 0

function wanted() {
  const topics = new Set<string>(['tick'])
  let filters: Record<string, string> = {}
  for (const one of listeners) {
    for (const topic of one.topics) topics.add(topic)
    filters = { ...filters, ...one.filters?.() }
  }
  return withParams('/api/v1/live', { topics: [...topics].join(), ...filters })
}

function heard() {
  heardAt = Date.now()
  liveState.value = 'live'
}

function open() {
  close()
  address = wanted()
  openedAt = Date.now()
  const mine = (source = new EventSource(address))
  mine.addEventListener('tick', (event) => {
    const said = JSON.parse(event.data) as Tick
    tick.value = said
    setClock(said.now)
    heard()
  })
  mine.addEventListener('row', (event) => {
    const { topic, item } = JSON.parse(event.data)
    for (const one of listeners) if (one.topics.includes(topic)) one.row?.(topic, item)
    heard()
  })
  mine.addEventListener('more', (event) => {
    const { topic, n } = JSON.parse(event.data)
    for (const one of listeners) if (one.topics.includes(topic)) one.more?.(topic, n)
    heard()
  })
  mine.onerror = () => {
    // A refusal closes it for good and doesn't say why; a lost connection is opened again by the browser.
    if (liveState.value === 'live') heardAt = Math.min(heardAt, Date.now() - SILENT + 5_000)
  }
}

function close() {
  source?.close()
  source = undefined
}

async function poll() {
  polledAt = Date.now()
  try {
    await get('session')
    liveState.value = 'polling'
    for (const one of listeners) void one.poll?.()
  } catch {
    liveState.value = 'stopped'
  }
}

/** Looks once a second whether what the chip says still holds. */
function watchOver() {
  if (!session.value || document.hidden) {
    if (source) {
      close()
      liveState.value = 'stopped'
    }
    return
  }
  const time = Date.now()
  if (!source || address !== wanted()) {
    if (!source) heardAt = Math.max(heardAt, time - SILENT + 5_000)
    open()
    if (liveState.value === 'stopped') liveState.value = 'connecting'
  }
  if (time - heardAt < SILENT) return
  if (time - polledAt >= POLL) void poll()
  if (time - openedAt >= SILENT) open()
}

/** Begins to listen; the shell calls it once. */
export function startLive() {
  heardAt = Date.now()
  watchOver()
  setInterval(watchOver, 1000)
  document.addEventListener('visibilitychange', watchOver)
}

/**
 * Hears of new rows while the component lives; `poll` is called instead each 10 s when the stream is silent.
 * `filters` may name an appid or a route, and may change.
 */
export function useLive(listener: Listener) {
  listeners.add(listener)
  onScopeDispose(() => listeners.delete(listener))
}
