import { computed, ref } from 'vue'

/** What a form complains of, field by field: only once somebody tried to send it. */
export function useComplaints<K extends string>(wrong: () => Record<K, string | null | false>) {
  const tried = ref(false)
  const shown = computed(() => (tried.value ? wrong() : ({} as Record<K, null>)))

  function isFine() {
    tried.value = true
    return Object.values(wrong()).every((one) => !one)
  }

  return { shown, isFine, forget: () => (tried.value = false) }
}
