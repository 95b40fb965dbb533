import { shallowRef } from 'vue'

/** A key that was just made. It is nowhere else: neither in the address nor in any storage. */
export const freshKey = shallowRef<{ name: string; key: string } | null>(null)
