import { computed, reactive, ref, shallowRef, watch } from 'vue'
import { type CallNews, type Code, type Facts, Failed, type MenuButton, type Person, type Phone, type PushNews, type Template, get, post } from './api'
import { members, title } from './message'
import { t } from './i18n'
import { toast } from '../../src/lib/toast'

export type View = 'phone' | 'screen' | 'journal' | 'facts' | 'came'

export interface Row { key: string; at: number; call?: CallNews; push?: PushNews }

const asked = new URLSearchParams(location.search)

/** What the address says: the view, who holds the phone, the chat that is open, the row of the journal. */
export const place = reactive({ view: (asked.get('view') ?? 'phone') as View, user: asked.get('user') ?? '', chat: asked.get('chat') ?? '', row: asked.get('row') ?? '' })

watch(place, () => {
  const now = new URLSearchParams()
  if (place.view !== 'phone') now.set('view', place.view)
  for (const name of ['user', 'chat', 'row'] as const) if (place[name]) now.set(name, place[name])
  const search = now.size ? `?${now}` : location.pathname
  if (place.view !== 'came') history.replaceState(null, '', search)
})

export const people = shallowRef<Person[]>([])
export const phone = shallowRef<Phone>()
export const codes = shallowRef<Code[]>([])
export const facts = shallowRef<Facts>()
export const menu = shallowRef<MenuButton[]>([])
/** Of the account whose chat is open. */
export const templates = shallowRef<Template[]>([])
/** The sandbox's clock, which may be moved, minus this machine's. */
export const ahead = ref(0)
/** Unix milliseconds by this machine's clock, each second. */
export const now = ref(Date.now())
setInterval(() => (now.value = Date.now()), 1000)

/** A window as wide as a real phone, which shows one thing at a time. */
const width = matchMedia('(max-width: 767px)')
export const isNarrow = ref(width.matches)
width.addEventListener('change', () => (isNarrow.value = width.matches))

/** Shows a row of the journal, where there is room for it. */
export function showRow(key: string) {
  place.row = key
  if (isNarrow.value && key) place.view = 'journal'
}
if (place.view === 'phone') showRow(place.row)

export const chat = computed(() => phone.value?.chats.find((one) => one.appid === place.chat))

/** Whether news arrive. */
export const live = ref<'live' | 'connecting' | 'stopped'>('connecting')

const MOST_ROWS = 500
const rowsByKey = new Map<string, Row>()
export const rows = shallowRef<Row[]>([])

/** A push as it stands, for the chips beside what caused it. */
export const pushOf = (seq: number) => rows.value.find((row) => row.push?.seq === seq)?.push

function put(row: Row) {
  rowsByKey.set(row.key, row)
  if (rowsByKey.size > MOST_ROWS) rowsByKey.delete(rowsByKey.keys().next().value!)
}

type News = { kind: 'call'; call: CallNews } | { kind: 'push'; push: PushNews } | { kind: 'control'; control: { path: string } }

function take(news: News[]) {
  for (const one of news) {
    if (one.kind === 'call') put({ key: `c${one.call.seq}`, at: one.call.at, call: one.call })
    else if (one.kind === 'push') put({ key: `p${one.push.seq}`, at: one.push.at, push: one.push })
    else if (/\/(reset|restore|calls)$/.test(one.control.path)) rowsByKey.clear()
  }
  rows.value = [...rowsByKey.values()].reverse()
}

let source: EventSource | undefined
let again = 0

/** Listens for news; after a break it begins anew, with all that is kept. */
function listen() {
  source?.close()
  clearTimeout(again)
  let first = true
  live.value = 'connecting'
  source = new EventSource(`${document.documentElement.dataset.root ?? './'}sandbox/live`)
  source.onmessage = (event) => {
    if (first) rowsByKey.clear()
    first = false
    live.value = 'live'
    take(JSON.parse(event.data))
    refresh()
  }
  source.onerror = () => {
    source?.close()
    live.value = 'stopped'
    again = window.setTimeout(listen, 2000)
  }
}

let timer = 0
let running = false
let missed = false

/** Asks for what may have changed, soon and once. */
function refresh() {
  clearTimeout(timer)
  timer = window.setTimeout(() => void load(), 60)
}

/** What the phone and the screen show, anew. */
export async function load() {
  if (running) return void (missed = true)
  running = true
  try {
    await Promise.all([loadPeople().then(() => Promise.all([loadMenu(), loadTemplates()])), loadCodes(), facts.value ? undefined : loadFacts()])
  } catch {
    // The line's own state says that nothing comes.
  } finally {
    running = false
  }
  if (missed) {
    missed = false
    refresh()
  }
}

async function loadPeople() {
  const { users } = await get<{ users: Person[] }>('users')
  people.value = users
  if (!users.some((one) => one.user === place.user)) place.user = (await known(place.user)) ?? remembered(users)
  if (!place.user) return
  const shown = await get<Phone>(`chats?user=${encodeURIComponent(place.user)}`)
  if (shown.user === place.user) phone.value = shown
  ahead.value = shown.now - Date.now()
}

/** Who is meant by the address, if not one of the listed: by nickname or openid, or beyond the first ones. Says so if nobody is. */
async function known(name: string) {
  if (!name) return undefined
  const found = await get<Phone>(`chats?user=${encodeURIComponent(name)}`).catch(() => undefined)
  if (!found) return void toast(t('phone.nobody', { name }), 'bad', undefined, 8)
  if (!people.value.some((one) => one.user === found.user)) people.value = [...people.value, found]
  return found.user
}

async function loadCodes() {
  codes.value = (await get<{ codes: Code[] }>('codes?limit=30')).codes
}

export async function loadFacts() {
  facts.value = await get<Facts>('facts')
}

/** The menu of the open chat as this user sees it; none where the account made none. */
async function loadMenu() {
  const open = chat.value
  if (!open || open.kind !== 'official') return void (menu.value = [])
  try {
    const made = await get<{ button?: MenuButton[]; menu?: { button?: MenuButton[] } | null }>(`menu?appid=${open.appid}&openid=${open.openid}`)
    if (place.chat === open.appid) menu.value = made.button ?? made.menu?.button ?? []
  } catch {
    menu.value = []
  }
}

/** What this user still allows of the open chat's account, and what its cards are made of. */
export async function loadTemplates() {
  const open = chat.value
  if (!open) return void (templates.value = [])
  const made = await get<{ templates: Template[] }>(`templates?appid=${open.appid}&openid=${open.openid}`)
  if (place.chat === open.appid) templates.value = made.templates
}

const NAME = 'wxgate.sandbox.user'

function remembered(users: Person[]) {
  let last = ''
  try {
    last = localStorage.getItem(NAME) ?? ''
  } catch {
    // Storage is closed: the first one it is.
  }
  return (users.find((one) => one.user === last) ?? users[0])?.user ?? ''
}

watch(() => place.user, (user) => {
  if (!user) return
  try {
    localStorage.setItem(NAME, user)
  } catch {
    // It holds until the page goes.
  }
  // Pages of WeChat's that are opened in this browser know who holds the phone.
  void post('hold', { user }).catch(() => {})
  refresh()
})
watch(() => place.chat, () => {
  menu.value = []
  templates.value = []
  refresh()
})

/** Begins to listen; nothing is asked while nobody looks. */
export function begin() {
  if (place.user) void post('hold', { user: place.user }).catch(() => {})
  listen()
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      source?.close()
      clearTimeout(again)
    } else listen()
  })
}

/** Does what a button says; what goes wrong is told. */
export async function attempt<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    toast(error instanceof Failed && error.status ? error.message : t('unreachable'), 'bad', undefined, 8)
    return undefined
  } finally {
    refresh()
  }
}

/** What a push is about, for lists. */
export const about = (push: PushNews) => title(members(push.message))
