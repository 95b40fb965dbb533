import { computed } from 'vue'
import type { App, List, Route } from '../../api/types'
import { shortId } from '../../lib/format'
import { useQuery } from '../../lib/query'

/** What accounts are called, and the names of the routes, for filters and rows. */
export function useNames() {
  const { data: apps } = useQuery<List<App>>(() => 'apps?limit=500')
  const { data: routes } = useQuery<List<Route>>(() => 'routes?limit=500')
  const names = computed(() => new Map(apps.value?.items.map((app) => [app.appid, app.name])))

  const appName = (appid: string | null) => (appid ? names.value.get(appid) || shortId(appid) : null)
  const appOptions = computed(() => apps.value?.items.map((app) => ({ value: app.appid, label: app.name ? `${app.name} · ${shortId(app.appid)}` : app.appid })) ?? [])
  const routeOptions = computed(() => routes.value?.items.map((route) => ({ value: route.name, label: route.name })) ?? [])
  return { appName, appOptions, routeOptions, apps, routes }
}
