import { computed } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'

/** The value of `name` in the address, or an empty text. */
export function useParams() {
  const route = useRoute()
  const router = useRouter()

  function param(name: string): string {
    const value = route.query[name]
    return (Array.isArray(value) ? value[0] : value) ?? ''
  }

  /** Changes the address; an empty value takes the name out. `push` makes Back undo it. */
  function setParams(changes: Record<string, string | null | undefined>, push = false) {
    const query: LocationQueryRaw = { ...route.query }
    for (const [name, value] of Object.entries(changes)) {
      if (value) query[name] = value
      else delete query[name]
    }
    return router[push ? 'push' : 'replace']({ query, hash: route.hash })
  }

  /** One name of the address as a model. */
  function useParam(name: string, fallback = '', push = false) {
    return computed({
      get: () => param(name) || fallback,
      set: (value: string) => void setParams({ [name]: value === fallback ? null : value }, push),
    })
  }

  return { param, setParams, useParam }
}

/** Where to go after the login: never to another site. */
export function localPath(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])/.test(next) ? next : '/'
}
