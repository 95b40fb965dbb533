import { computed, shallowRef } from 'vue'
import { forgetAll } from '../lib/query'
import { ApiError, get, send, setCsrf } from './client'
import type { Session } from './types'

export const session = shallowRef<Session | null>(null)
export const isAdmin = computed(() => session.value?.role === 'admin')

export function setSession(next: Session | null) {
  if (session.value?.name !== next?.name) forgetAll()
  session.value = next
  setCsrf(next?.csrf ?? null)
}

let nobody = false

/** Who is logged in, or null. The gateway is asked once. */
export async function ensureSession(): Promise<Session | null> {
  if (session.value || nobody) return session.value
  try {
    setSession(await get<Session>('session'))
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error
    nobody = true
  }
  return session.value
}

export async function logIn(credentials: { name: string; password: string } | { once: string }) {
  setSession(await send<Session>('POST', 'session', credentials))
}

export async function setUp(code: string, password: string) {
  setSession(await send<Session>('POST', 'setup', { code, password }))
}

export async function logOut(everywhere = false) {
  await send('DELETE', everywhere ? 'session?all=true' : 'session')
  setSession(null)
}
