import { reactive } from 'vue'
import { type Chat, type Code, type Members, type MenuButton, type Pushes, get, post } from './api'
import { base64 } from './format'
import { t } from './i18n'
import { attempt, chat, phone, place } from './store'
import { toast } from '../../src/lib/toast'

/** What lies over the chat on the phone. */
export type Sheet = '' | 'scan' | 'web' | 'mini' | 'place' | 'link' | 'photo' | 'allow' | 'info'

export const over = reactive({
  sheet: '' as Sheet,
  /** The menu's button that waits for a code, a picture or a place. */
  button: null as MenuButton | null,
  /** The address of the web page, and whether it is opened at once. */
  url: '',
  goes: false,
  /** What the mini program was opened with, and the account whose message or menu did so. */
  mini: { appid: '', page: '', scene: '', by: '' },
})

export function open(sheet: Sheet, button: MenuButton | null = null) {
  over.button = button
  over.sheet = sheet
}

export const close = () => open('')

/** When a code was scanned from here: by its address. */
export const scanned = reactive<Record<string, number>>({})

const who = (of: Chat) => ({ appid: of.appid, openid: of.openid })

export function say(content: string, more: Members = {}) {
  return send({ MsgType: 'text', Content: content, ...more })
}

/** A message or an event of the user's to the account whose chat is open. */
export async function send(message: Members, to = chat.value) {
  if (!to) return undefined
  return attempt(() => post<Pushes>('act', { ...who(to), message }))
}

export const event = (name: string, key: string, more: Members = {}) => send({ MsgType: 'event', Event: name, EventKey: key, ...more })

export async function subscribe(to: Chat) {
  return attempt(() => post<Pushes>('event', { ...who(to), event: 'subscribe', key: '' }))
}

export async function unfollow(to: Chat) {
  return attempt(() => post<Pushes>('unfollow', who(to)))
}

/** Holds the phone against a code: a menu's button wants what it says, else WeChat does what it is for. */
export async function scan(code: Code) {
  const button = over.button
  close()
  if (button) return pressed(button, { ScanCodeInfo: { ScanType: 'qrcode', ScanResult: code.url } })
  scanned[code.url] = Date.now()
  if (code.kind === 'mini') return openMini(code.appid, code.page, code.scene)
  const of = phone.value?.chats.find((one) => one.appid === code.appid)
  if (!of) return undefined
  place.chat = code.appid
  return attempt(() => post<Pushes>('scan', { ticket: code.ticket, openid: of.openid }))
}

/** The code that was pasted: a ticket, an address. */
export async function scanText(text: string) {
  const found = await attempt(() => get<{ code: Code }>(`code?text=${encodeURIComponent(text)}`))
  return found && scan(found.code)
}

/** Any text a menu's button is given instead of a code. */
export async function scanRaw(text: string) {
  const button = over.button
  close()
  if (button) await pressed(button, { ScanCodeInfo: { ScanType: 'qrcode', ScanResult: text } })
}

const EDGE = 1200

/** A picture as PNG, no larger than needed. */
async function png(file: Blob): Promise<Blob> {
  const picture = await createImageBitmap(file)
  const scale = Math.min(1, EDGE / Math.max(picture.width, picture.height))
  const canvas = document.createElement('canvas')
  ;[canvas.width, canvas.height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)]
  canvas.getContext('2d')!.drawImage(picture, 0, 0, canvas.width, canvas.height)
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('PNG'))), 'image/png'))
}

/** The code in a picture. */
export async function scanFile(file: Blob) {
  const found = await attempt(async () => post<{ code: Code }>('code/read', { body_base64: await base64(await png(file)) }))
  return found && scan(found.code)
}

async function keep(file: Blob, appid: string, name: string) {
  const content_type = file.type || 'application/octet-stream'
  return post<{ media_id: string; url: string }>('files', { appid, content_type, name, body_base64: await base64(file) })
}

/** Sends pictures or a film; a menu's button tells first how many they are. */
export async function sendFiles(files: Blob[]) {
  const [to, button] = [chat.value, over.button]
  close()
  if (!to || !files.length) return
  if (button) {
    const item = files.map(() => ({ PicMd5Sum: hex(16) }))
    await pressed(button, { SendPicsInfo: { Count: files.length, PicList: { item } } })
  }
  for (const file of files) {
    const kept = await attempt(() => keep(file, to.appid, (file as File).name ?? 'photo'))
    if (!kept) return
    const film = file.type.startsWith('video/')
    await send(film ? { MsgType: 'video', MediaId: kept.media_id, ThumbMediaId: kept.media_id } : { MsgType: 'image', PicUrl: kept.url, MediaId: kept.media_id }, to)
  }
}

function hex(bytes: number) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((b) => b.toString(16).padStart(2, '0')).join('')
}

/** A picture as a camera would take one: of nothing in particular. */
export function snapshot(): Promise<Blob> {
  const canvas = document.createElement('canvas')
  ;[canvas.width, canvas.height] = [640, 480]
  const draw = canvas.getContext('2d')!
  const sky = draw.createLinearGradient(0, 0, 0, 480)
  sky.addColorStop(0, '#7cc4e8')
  sky.addColorStop(0.62, '#fbe3b8')
  sky.addColorStop(0.62, '#2f8f6b')
  sky.addColorStop(1, '#0a5a40')
  draw.fillStyle = sky
  draw.fillRect(0, 0, 640, 480)
  draw.fillStyle = '#f6b73c'
  draw.beginPath()
  draw.arc(470, 200, 56, 0, 7)
  draw.fill()
  draw.fillStyle = '#3a7d63'
  for (const [x, y, w] of [[40, 300, 220], [200, 300, 300], [420, 300, 260]] as const) {
    draw.beginPath()
    draw.moveTo(x, y)
    draw.lineTo(x + w / 2, y - w / 2.4)
    draw.lineTo(x + w, y)
    draw.fill()
  }
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('JPEG'))), 'image/jpeg', 0.85))
}

/** Two seconds of silence, as AMR: fifty frames a second that hold nothing. */
export async function sendVoice() {
  const to = chat.value
  if (!to) return
  const silence = new Blob([new TextEncoder().encode('#!AMR\n'), new Uint8Array(100).fill(0x7c)], { type: 'audio/amr' })
  const kept = await attempt(() => keep(silence, to.appid, 'voice.amr'))
  if (kept) await send({ MsgType: 'voice', MediaId: kept.media_id, Format: 'amr' }, to)
}

export interface Spot { label: string; lat: number; lng: number }

export async function sendPlace({ label, lat, lng }: Spot) {
  const button = over.button
  close()
  if (button) await pressed(button, { SendLocationInfo: { Location_X: String(lat), Location_Y: String(lng), Scale: '16', Label: label, Poiname: label } })
  await send({ MsgType: 'location', Location_X: lat, Location_Y: lng, Scale: 16, Label: label })
}

export async function sendLink(title: string, description: string, url: string) {
  close()
  await send({ MsgType: 'link', Title: title, Description: description, Url: url })
}

const pressed = (button: MenuButton, more: Members = {}) => event(button.type ?? '', button.key ?? '', more)

/** Presses a button of the menu: what it is for happens on the phone, and WeChat tells the account. */
export async function press(button: MenuButton) {
  switch (button.type) {
    case 'click':
      return event('CLICK', button.key ?? '')
    case 'view':
      openWeb(button.url ?? '')
      return event('VIEW', button.url ?? '')
    case 'miniprogram':
      openMini(button.appid ?? '', button.pagepath ?? '', '', place.chat)
      return event('view_miniprogram', button.pagepath ?? '')
    case 'scancode_push':
    case 'scancode_waitmsg':
      return open('scan', button)
    case 'pic_sysphoto':
    case 'pic_photo_or_album':
    case 'pic_weixin':
      return open('photo', button)
    case 'location_select':
      return open('place', button)
    default:
      return toast(t('menu.silent', { type: button.type ?? '?' }), 'info')
  }
}

/** Opens a page: at once, unless one is to look at its address first. */
export function openWeb(url: string, goes = true) {
  ;[over.url, over.goes] = [url, goes]
  open('web')
}

/** `by`: the account whose message, card or menu led there. */
export function openMini(appid: string, page: string, scene: string, by = '') {
  over.mini = { appid, page, scene, by }
  open('mini')
}

/** Follows a link of a message: to a page, a mini program, or an answer that is sent. */
export async function follow(href: string, to: Chat) {
  const menu = /^weixin:\/\/bizmsgmenu\?(.*)/.exec(href)
  if (menu) {
    const said = new URLSearchParams(menu[1])
    return say(said.get('msgmenucontent') ?? '', { bizmsgmenuid: said.get('msgmenuid') ?? '' })
  }
  if (!/^(weixin:\/\/dl\/|https:\/\/wxaurl\.cn\/|#小程序)/.test(href)) return openWeb(href)
  const mini = phone.value?.chats.find((one) => one.kind === 'mini')
  if (!mini) return undefined
  const target = await attempt(() => post<{ appid: string; path: string; query: string }>('open', { link: href, openid: mini.openid }))
  if (target) openMini(target.appid, target.path + (target.query ? `?${target.query}` : ''), '', to.appid)
}
