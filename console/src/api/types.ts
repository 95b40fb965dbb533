// The shapes of /api/v1. Times are Unix seconds unless a name ends in `_ms`.

export interface List<T> {
  items: T[]
  next: string | null
}

// ---- Session

export type Role = 'admin' | 'viewer'

export interface Session {
  name: string
  role: Role
  csrf: string
  expires_at: number
  server: { version: string; node: number; now: number; public_url: string | null; demo: boolean }
}

export interface User {
  name: string
  role: Role
  created_at: number
  last_login_at: number | null
}

// ---- Overview

export type ProblemKind =
  | 'ip' | 'secret' | 'account' | 'refresh' | 'superseded' | 'callbacks' | 'route' | 'dead'
  | 'breaker' | 'quota' | 'store' | 'certificate' | 'key' | 'node'

export interface Problem {
  id: string
  kind: ProblemKind
  severity: 'error' | 'warn'
  object: { type: 'app' | 'route' | 'caller' | 'store' | 'certificate' | 'node'; id: string; name: string }
  since: number
  ended_at: number | null
  summary: string
  impact: string
  fix: string
  copy: string | null
  action: { call: string; label: string } | null
  link: string
  muted_until: number | null
  node: string
}

export type FigureName = 'calls_min' | 'bad_rate' | 'p95' | 'callbacks_min' | 'waiting' | 'dead'

export interface Overview {
  now: number
  rev: number
  problems: Problem[]
  figures: Record<FigureName, [now: number | null, before: number | null]>
  sparks: Record<FigureName, (number | null)[]>
  apps: { total: number; bad: number }
  top: {
    errcodes: { key: string; n: number; text?: string | null }[]
    routes: { key: string; n: number; bad: number }[]
    callers: { key: string; n: number; bad: number }[]
  }
  steps: { app: boolean; caller: boolean; call: boolean; message: boolean }
}

export type Points = (number | null)[]

export interface SeriesItem {
  key: string
  n: Points
  bad: Points
  p50: Points
  p95: Points
  p99: Points
}

export interface Series {
  from: number
  to: number
  step: number
  partial_from: number | null
  items: SeriesItem[]
}

export interface Tick {
  now: number
  calls_min: number | null
  callbacks_min: number | null
  bad_rate: number | null
  waiting: number
  dead: number
  rev: number
}

export type LiveTopic = 'event' | 'refused' | 'failure' | 'job'

// ---- Entries: accounts, callers, routes

export interface Entry {
  origin: 'file' | 'store'
  file: string | null
  revision: number | null
  unused: string | null
}

export interface App extends Entry {
  appid: string
  name: string | null
  kind: 'official' | 'mini'
  tags: string[]
  secret: boolean
  token: boolean | null
  aes_key: boolean | null
  /** Nothing of how it stands is told of one that isn't in use. */
  credential?: {
    mode: 'stable' | 'classic'
    state: 'none' | 'ok' | 'expiring' | 'expired' | 'trouble' | 'superseded'
    fetched_at: number | null
    expires_at: number | null
    next_at: number | null
  }
  trouble?: { errcode: number | null; since: number; retry_at: number | null; advice: string; ip: string | null } | null
  superseded_at?: number | null
  callback?: {
    url: string
    mode: 'plain' | 'compatible' | 'safe' | null
    last_at: number | null
    refused_at: number | null
    reason: string | null
  }
  calls24?: { n: number; bad: number }
  callers?: string[]
  [key: string]: unknown
}

export interface CheckResult {
  ok: boolean
  errcode: number | null
  advice: string | null
  ip: string | null
  ms: number
}

export interface TokenEvent {
  at: number
  event: 'fetched' | 'failed' | 'superseded' | 'healed'
  errcode: number | null
  ms: number | null
  node: string
}

/** Who needs no key (`auth.mode = "off"`) stands nowhere: no origin, no rights. */
export interface Caller extends Partial<Entry> {
  name: string
  apps?: string[]
  apis?: string[]
  networks?: string[] | null
  export_token?: boolean
  may_reply?: boolean
  last_used_at: number | null
  calls: Record<string, number>
  since: number | null
  refused: number
  expires_at: number | null
  quotas: Record<string, string>
  used: Record<string, { used: number | null; limit: number; resets_at: number }>
  keys: { slot: 'key' | 'previous_key'; hint: string; created_at: number | null; last_used_at: number | null }[]
  [key: string]: unknown
}

export interface Route extends Entry {
  name: string
  target: string
  position: number
  paused: boolean
  ordered?: boolean
  late_reply?: string | null
  /** `open`: the backend fails and fails, and single messages try it while the others wait. */
  breaker?: 'open' | 'closed'
  waiting: number
  dead: number
  p95: number | null
  failing_since: number | null
  last_error: string | null
  [key: string]: unknown
}

export interface RouteVerdict {
  route: string
  matched: boolean
  why: { cond: string; ok: boolean; given: string | null; wanted: string }[]
  stopped_by: string | null
  reply: boolean | string | null
}

export interface ProbeResult {
  ok: boolean
  status: number | null
  ms: number
  error: string | null
}

// ---- Messages and events

export interface Attempt {
  at: number
  /** 0 or null: no answer. */
  status: number | null
  ms: number
  error: string | null
  url?: string | null
  answer?: string | null
  by?: string | number | null
}

export interface Delivery {
  id: number
  event_id: number
  route: string
  status: 'pending' | 'delivered' | 'dead'
  attempts: Attempt[]
  /** Null of one that is pending: its route keeps order, and its turn comes when the user's earlier ones have gone. */
  next_at: number | null
}

/** Texts that a message doesn't have are null or empty; what isn't there is not kept. */
export interface Event {
  id: number
  appid: string
  openid: string | null
  msg_type: string | null
  event: string | null
  key?: string | null
  scene: string | null
  received_at: number
  received_ms: number
  request_id: string | null
  mode: string | null
  node?: string | number
  deliveries: Delivery[]
}

export interface EventDetail extends Event {
  message: Record<string, unknown>
  raw: string
  crypt: string | null
  dups?: number
  stored_ms?: number | null
  acked_ms?: number | null
  replied_by?: string | null
  why: RouteVerdict[]
}

export interface DeadGroup {
  route: string
  error: string
  status: number | null
  count: number
  oldest: number
  newest: number
}

export interface Refused {
  id: number
  at: number
  request_id: string
  appid: string
  ip: string | null
  mode: string | null
  reason: string
  fix: string
}

export interface Failure {
  id: number
  at: number
  request_id: string
  caller: string | null
  appid: string | null
  api: string
  status: number
  errcode: number | null
  rid: string | null
  ms: number
}

// ---- The rest

export interface Quota {
  appid: string
  api: string
  limit: number | null
  used: number | null
  remain: number | null
  rate: { calls: number; seconds: number } | null
  asked_at: number | null
}

export interface ErrorCode {
  code: number
  ours: number | null
  /** WeChat's own words. */
  errmsg?: string | null
  zh: string
  en: string
  cause: string | null
  fix: string | null
  retry: boolean
  seen: number
}

export interface ErrorDetail extends ErrorCode {
  samples: Failure[]
  by: Record<'apps' | 'callers' | 'apis', { key: string; n: number }[]>
}

export interface AuditEntry {
  id: number
  at: number
  actor: string
  role: string
  ip: string | null
  action: string
  target: string
  before: unknown
  after: unknown
}

export interface Alerts extends List<Problem> {
  now: Problem[]
}

export type ChannelKind = 'wecom' | 'dingtalk' | 'feishu' | 'bark' | 'webhook'

export interface Channel {
  name: string
  kind: ChannelKind
  /** What it is told in; null: the language of the process. */
  lang: string | null
  url: boolean
  secret: boolean
  revision: number
  last_at: number | null
  last_error: string | null
}

export interface Node {
  id: number
  version: string
  address: string | null
  beat_at?: number | null
  self: boolean
  routes: number
}

export interface Found {
  kind: 'app' | 'caller' | 'route' | 'event' | 'openid' | 'request' | 'errcode'
  title: string
  subtitle: string | null
  link: string
}

export interface Settings {
  version: string
  node: number
  store: { kind: 'sqlite' | 'postgres'; place: string; bytes?: number | null }
  admin_url: string | null
  public_url: string | null
  /** Where services call it, like `http://127.0.0.1:36012`. */
  listen?: string
  retention_hours: Record<string, number>
  config_file?: string | null
  sections?: { name: string; running: unknown; file: unknown; pending: boolean }[]
}

export interface Reloaded {
  ok: boolean
  said: string
}

/** Of `POST events/{id}/replay`: routes whose deliveries begin anew, and those that wait anyway. */
export interface Replayed {
  queued: string[]
  waiting: string[]
}

// ---- Replays and jobs

/** Which deliveries are sent again. `error_status` is that of the last attempt, 0: no answer. */
export interface ReplayFilter {
  route?: string
  status: 'dead' | 'delivered'
  error_status?: number
  /** Why the last attempt failed, in the words of a group. */
  error?: string
  from?: number
  to?: number
  appid?: string
  openid?: string
  event?: string
}

/** Of a dry run. Skipped: those whose route is no more. */
export interface ReplayPlan {
  count: number
  oldest: number | null
  newest: number | null
  skipped?: number
}

interface JobBase {
  id: string | number
  status: 'running' | 'done' | 'stopped'
  total: number
  failed: number
  rate: number
  made_at: number
  ended_at: number | null
  actor: string | null
  filter?: Partial<ReplayFilter> | null
}

export interface ReplayJob extends JobBase {
  kind: 'replay'
  delivered: number
  waiting: number
}

/** A batch of messages that a caller sends. */
export interface SendJob extends JobBase {
  kind: 'send'
  sent: number
  unknown: number
}

export type Job = ReplayJob | SendJob
