import type { App } from '../../api/types'
import type { StatusKind } from '../../ui/StatusBadge.vue'

type TokenState = NonNullable<App['credential']>['state']

const kinds: Record<TokenState, StatusKind> = {
  none: 'idle', ok: 'ok', expiring: 'ok', expired: 'bad', trouble: 'bad', superseded: 'warn',
}

export type AppState = TokenState | 'unused'

export const appStates: AppState[] = ['trouble', 'expired', 'superseded', 'ok', 'expiring', 'none', 'unused']

/** How an account does, in one word. */
export function stateOf(app: App): { word: AppState; kind: StatusKind } {
  if (app.unused) return { word: 'unused', kind: 'warn' }
  if (app.trouble) return { word: 'trouble', kind: 'bad' }
  const state = app.credential?.state ?? 'none'
  return { word: state, kind: kinds[state] }
}
