import { reactive } from 'vue'

export interface Toast {
  id: number
  kind: 'ok' | 'bad' | 'info'
  text: string
  action?: { label: string; run: () => void }
  /** Milliseconds it stays. */
  stays: number
}

let last = 0

export const toasts = reactive<Toast[]>([])

export function toast(text: string, kind: Toast['kind'] = 'ok', action?: Toast['action'], seconds = action ? 60 : 5) {
  toasts.push({ id: ++last, kind, text, action, stays: seconds * 1000 })
  if (toasts.length > 4) toasts.shift()
}

export function dropToast(id: number) {
  const at = toasts.findIndex((one) => one.id === id)
  if (at >= 0) toasts.splice(at, 1)
}
