import { prefs } from '../lib/prefs'

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly requestId: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message)
  }
}

export interface Answer<T> {
  status: number
  data: T
  etag: string | null
}

export interface Sent {
  method?: string
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

let csrf: string | null = null
let whenLoggedOut = () => {}

/** The session's token, which each write shows. */
export function setCsrf(token: string | null) {
  csrf = token
}

/** What to do when the gateway says that the session has ended. */
export function onLoggedOut(act: () => void) {
  whenLoggedOut = act
}

/** Says that the session has ended. */
export function loggedOut() {
  whenLoggedOut()
}

/** `path` with those of `params` that have a value. */
export function withParams(path: string, params: Record<string, string | number | boolean | null | undefined>) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value))
  }
  const text = query.toString()
  return text ? `${path}?${text}` : path
}

/** Sends a request to the admin API and gives back its answer as it came. */
export async function call(path: string, { method = 'GET', body, headers = {}, signal }: Sent = {}): Promise<Response> {
  const all: Record<string, string> = { 'Accept-Language': prefs.lang, ...headers }
  if (body !== undefined) all['Content-Type'] = 'application/json'
  if (method !== 'GET' && csrf) all['X-Wxgate-Csrf'] = csrf
  let response: Response
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: 'no-store',
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(0, '')
  }
  if (response.ok || response.status === 304) return response
  if (response.status === 401 && csrf) loggedOut()
  throw await problemOf(response)
}

/** Reads JSON; with `etag` a 304 gives `status` 304 and no data. */
export async function read<T>(path: string, etag: string | null, signal?: AbortSignal): Promise<Answer<T>> {
  const response = await call(path, { headers: etag ? { 'If-None-Match': etag } : {}, signal })
  const data = response.status === 304 ? undefined : await response.json()
  return { status: response.status, data: data as T, etag: response.headers.get('ETag') }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await read<T>(path, null, signal)).data
}

/** Writes; `ifMatch` is the ETag of what was read, so that nobody else's change is undone. */
export async function send<T = void>(method: 'POST' | 'PATCH' | 'PUT' | 'DELETE', path: string, body?: unknown, ifMatch?: string | null): Promise<T> {
  const response = await call(path, { method, body, headers: ifMatch ? { 'If-Match': ifMatch } : {} })
  const text = await response.text()
  return (text ? JSON.parse(text) : undefined) as T
}

async function problemOf(response: Response): Promise<ApiError> {
  let problem: { title?: string; detail?: string; request_id?: string } = {}
  try {
    problem = await response.json()
  } catch {
    // Not from the gateway, perhaps from a proxy in front of it: the status says enough.
  }
  const retryAfter = Number(response.headers.get('Retry-After'))
  return new ApiError(
    response.status,
    problem.detail || problem.title || `HTTP ${response.status}`,
    problem.request_id ?? response.headers.get('X-Request-Id'),
    retryAfter > 0 ? retryAfter : null,
  )
}
