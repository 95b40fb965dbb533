import { onMounted, onScopeDispose, onUnmounted, ref, shallowRef } from 'vue'
import { get, loggedOut, withParams } from '../api/client'
import { ensureSession, session } from '../api/session'
import type { LiveTopic, Tick } from '../api/types'
import { setClock } from './clock'

export type LiveState = 'connecting' | 'live' | 'polling' | 'stopped'

interface Listener {
  topics: LiveTopic[]
  filters?: () => Record<string, string | undefined>
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
  let filters: Record<string, string | undefined> = {}
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
  mine.addEventListener('job', (event) => {
    for (const one of listeners) if (one.topics.includes('job')) one.row?.('job', JSON.parse(event.data))
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

function pollAll() {
  for (const one of listeners) void one.poll?.()
}

async function poll() {
  polledAt = Date.now()
  try {
    await get('session', AbortSignal.timeout(POLL))
    liveState.value = 'polling'
    pollAll()
  } catch {
    liveState.value = 'stopped'
  }
}

/** The page was opened while the gateway could not be reached: who is logged in is still to be asked. */
async function arrive() {
  polledAt = Date.now()
  try {
    if (!(await ensureSession())) loggedOut()
  } catch {
    liveState.value = 'stopped'
  }
}

/** Looks once a second whether what the chip says still holds. */
function watchOver() {
  const time = Date.now()
  if (document.hidden) {
    if (source) liveState.value = 'stopped'
    close()
    return
  }
  if (!session.value) {
    if (time - polledAt >= POLL) void arrive()
    return
  }
  if (!source || address !== wanted()) {
    if (!source) heardAt = Math.max(heardAt, time - SILENT + 5_000)
    open()
    if (liveState.value === 'stopped') {
      // What happened meanwhile, for instance while the tab was hidden, comes by reading.
      liveState.value = 'connecting'
      pollAll()
    }
  }
  if (time - heardAt < SILENT) return
  if (liveState.value === 'live') liveState.value = 'connecting'
  if (time - polledAt >= POLL) void poll()
  if (time - openedAt >= SILENT) open()
}

/** Listens while the shell is there. */
export function useLiveStream() {
  let timer = 0

  onMounted(() => {
    heardAt = Date.now()
    liveState.value = 'connecting'
    timer = window.setInterval(watchOver, 1000)
    document.addEventListener('visibilitychange', watchOver)
    watchOver()
  })
  onUnmounted(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', watchOver)
    close()
  })
}

/**
 * Hears of new rows while the component lives; `poll` is called instead each 10 s when the stream is silent.
 * `filters` may name an appid or a route, and may change.
 */
export function useLive(listener: Listener) {
  listeners.add(listener)
  onScopeDispose(() => listeners.delete(listener))
}
