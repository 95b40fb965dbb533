/** The way to the sandbox's root from this page: relative, so that it holds below any prefix. */
export const root = document.documentElement.dataset.root ?? './'

/** Where a control call is. */
export const at = (path: string) => `${root}sandbox/${path}`

/** An address on this sandbox, whole. */
export const whole = (path: string) => new URL(root + path, location.href).href

export class Failed extends Error {
  constructor(readonly status: number, message: string) {
    super(message)
  }
}

async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, headers: { accept: 'application/json' } }
  if (body !== undefined) init.body = JSON.stringify(body)
  let answer: Response
  try {
    answer = await fetch(at(path), init)
  } catch {
    throw new Failed(0, '')
  }
  const said = await answer.json().catch(() => ({}))
  if (!answer.ok) throw new Failed(answer.status, said.error ?? `HTTP ${answer.status}`)
  return said as T
}

export const get = <T>(path: string) => send<T>('GET', path)
export const post = <T>(path: string, body: unknown) => send<T>('POST', path, body)
export const del = <T>(path: string) => send<T>('DELETE', path)

export type Kind = 'official' | 'mini' | 'open'
export type Members = { [name: string]: Value }
export type Value = string | number | boolean | null | Members | Value[]

export interface Person { user: string; nickname: string }

export interface Line {
  seq: number
  at: number
  by: 'user' | 'reply' | 'account' | 'trouble'
  path: string
  template_id: string
  message: Value
  /** What a tap on a card opens. */
  opens?: Members
  push: number | null
}

export interface Chat {
  appid: string
  kind: Kind
  openid: string
  original_id: string
  following: boolean
  callback: boolean
  lines: Line[]
}

export interface Phone extends Person { phone: string; now: number; chats: Chat[] }

export interface Code {
  seq: number
  at: number
  appid: string
  kind: 'temporary' | 'permanent' | 'mini'
  ticket: string
  scene: string
  page: string
  url: string
  expires: number | null
}

export interface Attempt { status: number; ms: number; replied?: boolean; error?: string | null; query?: string; sent?: string; body?: string; reply?: string }

export interface CallNews { seq: number; at: number; appid: string; method: string; path: string; status: number; errcode: number; errmsg?: string }
export interface PushNews { seq: number; at: number; appid: string; openid: string; url: string; over: boolean; message: string; attempts: Attempt[] }

export interface Push { seq: number; at: number; appid: string; openid: string; url: string; message: string; attempts: Attempt[] }
export interface Pushes { pushes: Push[] }

export interface Call {
  seq: number
  at: number
  appid: string
  method: string
  path: string
  query: string
  headers: [string, string][]
  body_base64: string
  status: number
  answer_base64: string
  pushed: Push[]
}

export interface ErrorRow { code: number; text: string; official: boolean; zh: string; en: string }

export interface MenuButton { name: string; type?: string; key?: string; url?: string; appid?: string; pagepath?: string; media_id?: string; sub_button?: MenuButton[] }

export interface App { appid: string; kind: Kind; original_id: string; secret: string; callback_token: string; aes_key: string; callback: { url: string; mode: string; format: string } | null; linked: string[] }
export interface Said { line: string; zh: string; en: string }
export interface Facts { base: string; now: number; apps: App[]; codes: string[]; template: string; calls: Said[]; examples: Said[]; paths: string[] }

export interface Fault {
  id: number
  path: string
  /** How often it is still to happen; 0: until it is taken back. */
  times: number
  appid?: string
  openid?: string
  probability?: number
  errcode?: number
  status?: number
  delay_ms?: number | Members
  cut?: string
}

/** A template of an account; `left`: how many of its subscription messages the user still allows. */
export interface Template { template_id: string; title: string; content: string; purpose: 'message' | 'subscription' | 'both'; keywords: string[]; left: number }
