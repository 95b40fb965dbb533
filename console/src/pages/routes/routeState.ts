import type { Route } from '../../api/types'
import type { StatusKind } from '../../ui/StatusBadge.vue'

export type RouteState = 'ok' | 'failing' | 'held' | 'paused' | 'unused'

const kinds: Record<RouteState, StatusKind> = { ok: 'ok', failing: 'bad', held: 'bad', paused: 'warn', unused: 'warn' }

/** How a route does, in one word. */
export function stateOf(route: Route): { word: RouteState; kind: StatusKind } {
  const word = route.unused ? 'unused' : route.paused ? 'paused' : route.breaker === 'open' ? 'held' : route.failing_since ? 'failing' : 'ok'
  return { word, kind: kinds[word] }
}

/** A list of the configuration; null where anything matches. */
export function listed(route: Route, key: 'apps' | 'events' | 'openids' | 'scenes'): string[] | null {
  const list = route[key] as string[] | null | undefined
  return list?.length && !(list.length === 1 && list[0] === '*') ? list : null
}
