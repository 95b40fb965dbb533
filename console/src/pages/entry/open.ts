import { computed } from 'vue'
import { useParams } from '../../lib/url'

/** Which drawer or dialog of a page is open, in the address: Back closes it. */
export function useOpen() {
  const { param, setParams } = useParams()
  const show = (what: string | null) => void setParams({ open: what }, what !== null)
  const shows = (what: string) => computed({ get: () => param('open') === what, set: (is) => show(is ? what : null) })
  return { open: computed(() => param('open')), show, shows }
}
