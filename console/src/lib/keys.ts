import { onScopeDispose } from 'vue'
import { prefs } from './prefs'

const acts = new Map<string, (() => void)[]>()
let first = ''
let firstAt = 0

/** Whether the key was meant for something else. */
function elsewhere(event: KeyboardEvent) {
  const target = event.target as HTMLElement
  return (
    !prefs.keys || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing ||
    target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName) ||
    document.querySelector('[role=dialog], [role=menu]') !== null
  )
}

addEventListener('keydown', (event) => {
  if (elsewhere(event)) return
  const two = Date.now() - firstAt < 1000 ? `${first} ${event.key}` : ''
  const act = acts.get(two)?.at(-1) ?? acts.get(event.key)?.at(-1)
  ;[first, firstAt] = [event.key, Date.now()]
  if (!act) return
  event.preventDefault()
  act()
})

/** Does `act` when `keys` (`/`, or `g o` one after the other) are pressed, while the component lives. */
export function onKey(keys: string, act: () => void) {
  acts.set(keys, [...(acts.get(keys) ?? []), act])
  onScopeDispose(() => acts.set(keys, (acts.get(keys) ?? []).filter((one) => one !== act)))
}
