import { computed } from 'vue'
import { session } from '../api/session'
import type { Settings } from '../api/types'
import { useQuery } from './query'

const USUAL = 'http://0.0.0.0:36012'

/** What a service on this network would write for an address that is listened on: any host is the one of this page. */
export function reachable(listen: string, host: string) {
  return listen.replace(/(?<=^https?:\/\/)(0\.0\.0\.0|\[::\])(?=:\d+$)/, host)
}

/** Where services call the gateway, without a slash at the end. `isSure`: it is set, not told from where it listens. */
export function useBase() {
  const isSure = computed(() => !!session.value?.server.public_url)
  const { data: settings } = useQuery<Settings>(() => (session.value && !isSure.value ? 'settings' : null))
  const base = computed(() => session.value?.server.public_url?.replace(/\/+$/, '') || reachable(settings.value?.listen ?? USUAL, location.hostname))
  return { base, isSure }
}
