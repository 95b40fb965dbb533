import type { Route } from '../../api/types'
import { listed, type RouteState, stateOf } from './routeState'

export type ColumnName = 'sources' | 'events' | 'routes' | 'targets'

export interface FlowNode {
  id: string
  /** What it says; empty where anything matches. */
  text: string
  /** Names of the routes that it has to do with. */
  routes: Set<string>
}

export interface FlowEdge {
  from: string
  to: string
  /** How much was delivered over it. */
  n: number
  state: RouteState | null
  routes: Set<string>
}

export interface Flow {
  columns: Record<ColumnName, FlowNode[]>
  edges: FlowEdge[]
}

/** The address of a target without what comes after the host. */
export function hostOf(target: string) {
  return /^[a-z]+:\/\/([^/?#]+)/i.exec(target)?.[1] ?? target
}

/** What a long list is drawn as: one node. */
const few = (list: string[] | null) => (list && list.length > 5 ? [`${list[0]} +${list.length - 1}`] : (list ?? ['']))

/** How messages go: from accounts by kinds of events over routes, in order, to backends. */
export function flowOf(routes: Route[], delivered: (name: string) => number): Flow {
  const columns: Record<ColumnName, Map<string, FlowNode>> = { sources: new Map(), events: new Map(), routes: new Map(), targets: new Map() }
  const edges = new Map<string, FlowEdge>()

  function node(column: ColumnName, text: string, route: string) {
    const id = `${column}:${text}`
    const found = columns[column].get(id) ?? { id, text, routes: new Set() }
    found.routes.add(route)
    columns[column].set(id, found)
    return id
  }

  function edge(from: string, to: string, route: Route, state: RouteState | null) {
    const found = edges.get(`${from} ${to}`) ?? { from, to, n: 0, state, routes: new Set() }
    found.n += delivered(route.name)
    found.routes.add(route.name)
    edges.set(`${from} ${to}`, found)
  }

  for (const route of routes) {
    const own = node('routes', route.name, route.name)
    const target = node('targets', hostOf(route.target), route.name)
    for (const kind of few(listed(route, 'events'))) {
      const event = node('events', kind, route.name)
      for (const app of few(listed(route, 'apps'))) edge(node('sources', app, route.name), event, route, null)
      edge(event, own, route, stateOf(route).word)
    }
    edge(own, target, route, stateOf(route).word)
  }
  const listOf = (column: ColumnName) => [...columns[column].values()]
  return { columns: { sources: listOf('sources'), events: listOf('events'), routes: listOf('routes'), targets: listOf('targets') }, edges: [...edges.values()] }
}

/** Thicker where more goes, by the number of its digits. */
export const thickness = (n: number) => 1 + Math.log10(1 + n)
