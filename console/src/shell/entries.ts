import { BellRing, BookOpen, Gauge, Inbox, KeyRound, LayoutDashboard, ListChecks, MailX, ScrollText, Settings, Smartphone, Split } from '@lucide/vue'
import type { Component } from 'vue'

export interface Entry {
  name: string
  to: string
  icon: Component
  /** The second key after `g`. */
  key?: string
}

const entry = (name: string, to: string, icon: Component, key?: string): Entry => ({ name, to, icon, key })

const overview = entry('overview', '/', LayoutDashboard, 'o')
const events = entry('events', '/events', Inbox, 'e')
const dead = entry('dead', '/dead', MailX, 'd')
const apps = entry('apps', '/apps', Smartphone, 'a')

export const groups: { name: string; entries: Entry[] }[] = [
  { name: 'watch', entries: [overview, events, dead, entry('jobs', '/jobs', ListChecks), entry('quota', '/quota', Gauge)] },
  { name: 'configure', entries: [apps, entry('callers', '/callers', KeyRound, 'c'), entry('routes', '/routes', Split, 'r')] },
  {
    name: 'manage',
    entries: [
      entry('errors', '/errors', BookOpen),
      entry('audit', '/audit', ScrollText),
      entry('alerts', '/alerts', BellRing),
      entry('settings', '/settings', Settings),
    ],
  },
]

/** Those of the bar below on a phone; the rest is under "more". */
export const bar = [overview, events, dead, apps]
