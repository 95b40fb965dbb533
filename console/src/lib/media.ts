import { ref } from 'vue'

const narrow = matchMedia('(max-width: 767px)')

/** Whether the window is as narrow as a phone's. */
export const phone = ref(narrow.matches)
narrow.addEventListener('change', () => (phone.value = narrow.matches))
