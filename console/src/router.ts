import { watch } from 'vue'
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { ensureSession } from './api/session'
import { t } from './i18n'
import { prefs } from './lib/prefs'

declare module 'vue-router' {
  interface RouteMeta {
    /** The key of its title, also which entry of the navigation it belongs to. */
    nav: string
    /** Seen without a session, without the shell. */
    bare?: boolean
  }
}

const page = (path: string, nav: string, component: RouteRecordRaw['component'], more = {}) =>
  ({ path, component, meta: { nav, ...more } }) as RouteRecordRaw

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
  routes: [
    page('/', 'overview', () => import('./pages/OverviewPage.vue')),
    page('/events', 'events', () => import('./pages/EventsPage.vue')),
    page('/events/:id', 'events', () => import('./pages/EventPage.vue')),
    page('/refused', 'events', () => import('./pages/RefusedPage.vue')),
    page('/failures', 'events', () => import('./pages/FailuresPage.vue')),
    page('/dead', 'dead', () => import('./pages/DeadPage.vue')),
    page('/jobs', 'jobs', () => import('./pages/JobsPage.vue')),
    page('/jobs/:id', 'jobs', () => import('./pages/JobPage.vue')),
    page('/quota', 'quota', () => import('./pages/QuotaPage.vue')),
    page('/apps', 'apps', () => import('./pages/AppsPage.vue')),
    page('/apps/:appid', 'apps', () => import('./pages/AppPage.vue')),
    page('/callers', 'callers', () => import('./pages/CallersPage.vue')),
    page('/callers/:name', 'callers', () => import('./pages/CallerPage.vue')),
    page('/routes', 'routes', () => import('./pages/RoutesPage.vue')),
    page('/routes/test', 'routes', () => import('./pages/RouteTestPage.vue')),
    page('/routes/:name', 'routes', () => import('./pages/RoutePage.vue')),
    page('/errors', 'errors', () => import('./pages/ErrorsPage.vue')),
    page('/errors/:code', 'errors', () => import('./pages/ErrorPage.vue')),
    page('/audit', 'audit', () => import('./pages/AuditPage.vue')),
    page('/alerts', 'alerts', () => import('./pages/AlertsPage.vue')),
    page('/settings/:tab?', 'settings', () => import('./pages/SettingsPage.vue')),
    page('/login', 'login', () => import('./pages/LoginPage.vue'), { bare: true }),
    page('/setup', 'setup', () => import('./pages/SetupPage.vue'), { bare: true }),
    page('/:rest(.*)*', 'missing', () => import('./pages/MissingPage.vue')),
  ],
})

export function loginFor(path: string) {
  return { path: '/login', query: path === '/' ? {} : { next: path } }
}

router.beforeEach(async (to) => {
  if (to.meta.bare) return true
  try {
    return (await ensureSession()) ? true : loginFor(to.fullPath)
  } catch {
    // The gateway isn't reachable: the page says so by itself, and comes back by itself.
    return true
  }
})

watch([() => router.currentRoute.value.meta.nav, () => prefs.lang], ([nav]) => {
  document.title = nav && nav !== 'overview' ? `${t(`nav.${nav}`)} · wxgate` : 'wxgate'
})
