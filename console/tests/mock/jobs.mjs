// Replays of the mocked gateway, and the jobs they make. kefu's go on failing, and of the others one in nine.
import { between } from './configure.mjs'
import { isIn, notFound, page, Problem, seconds } from './util.mjs'

const STEP = 200

export function madeJobs(isEmpty) {
  if (isEmpty) return []
  const now = seconds()
  return [
    { id: 12, kind: 'send', status: 'done', total: 20000, sent: 19874, failed: 118, unknown: 8, rate: 200, made_at: now - 86400, ended_at: now - 86300, actor: 'shop', filter: null },
    { id: 11, kind: 'replay', status: 'stopped', total: 1284, delivered: 640, failed: 2, waiting: 0, rate: 50, made_at: now - 172800, ended_at: now - 172787, actor: 'wang.lei', filter: { route: 'shop', status: 'delivered', from: now - 259200, to: now - 172800 } },
    { id: 10, kind: 'replay', status: 'done', total: 9, delivered: 9, failed: 0, waiting: 0, rate: 10, made_at: now - 200000, ended_at: now - 199998, actor: 'admin', filter: null },
  ]
}

const statusOf = (d) => d.attempts.at(-1)?.status || 0

function matching(state, filter) {
  const has = (name) => isIn(filter[name])
  const kind = filter.event?.toLowerCase()
  const span = new URLSearchParams(Object.entries(filter).filter(([key, value]) => ['from', 'to'].includes(key) && value))
  return state.events
    .filter((e) => has('appid')(e.appid) && has('openid')(e.openid) && (!kind || [e.event, e.msg_type].some((k) => k?.toLowerCase() === kind)) && between(span, e.received_at))
    .flatMap((e) => e.deliveries)
    .filter((d) => has('route')(d.route) && d.status === (filter.status ?? 'dead') && (filter.error_status === undefined || statusOf(d) === filter.error_status) && (filter.error === undefined || [d.attempts.at(-1).error].flat().includes(filter.error)))
}

function again(state, delivery, isGood) {
  const last = delivery.attempts.at(-1)
  const wasDead = delivery.status === 'dead'
  const answer = isGood ? { status: 200, ms: 38, error: null, answer: 'HTTP/1.1 200 OK\n\nsuccess' } : { status: last.status, ms: last.ms, error: last.error, answer: last.answer }
  delivery.attempts = [{ ...last, ...answer, at: seconds() }]
  delivery.status = isGood ? 'delivered' : 'dead'
  const route = state.routes.find((one) => one.name === delivery.route)
  if (route) route.dead += Number(!isGood) - Number(wasDead)
}

function work(state, job, rows) {
  let begun = 0
  const timer = setInterval(() => {
    if (job.status !== 'running') return clearInterval(timer)
    for (const one of rows.slice(begun, (begun += Math.max(1, Math.round((job.rate * STEP) / 1000))))) {
      const isGood = one.route !== 'kefu' && one.id % 9 !== 0
      again(state, one, isGood)
      job[isGood ? 'delivered' : 'failed']++
      job.waiting--
    }
    if (begun < rows.length) return
    clearInterval(timer)
    Object.assign(job, { status: 'done', ended_at: seconds() })
  }, STEP)
}

function replay({ state, body, answer, user }) {
  const rate = body.rate ?? 50
  if (!Number.isInteger(rate) || rate < 1 || rate > 1000) throw new Problem(422, 'rate：1 到 1000', 'rate: 1 to 1000')
  const rows = body.ids ? state.events.flatMap((e) => e.deliveries).filter((d) => body.ids.includes(d.id)) : matching(state, body.filter ?? {})
  const times = rows.map((d) => d.attempts.at(-1).at)
  if (body.dry_run) return { count: rows.length, oldest: rows.length ? Math.min(...times) : null, newest: rows.length ? Math.max(...times) : null, skipped: body.filter?.route ? 0 : 2 }
  const job = { id: state.jobs.length + 10, kind: 'replay', status: 'running', total: rows.length, delivered: 0, failed: 0, waiting: rows.length, rate, made_at: seconds(), ended_at: null, actor: user.name, filter: body.ids ? { ids: body.ids.length } : { status: 'dead', ...body.filter } }
  state.jobs.unshift(job)
  work(state, job, rows)
  answer.status = 202
  return { job_id: String(job.id), total: rows.length }
}

function one(state, id) {
  const found = state.jobs.find((job) => String(job.id) === id)
  if (!found) throw notFound()
  return found
}

export const jobs = {
  'POST replay': replay,
  'GET jobs': ({ state, query }) => page(state.jobs, query),
  'GET jobs/:id': ({ state, params }) => one(state, params.id),
  'POST jobs/:id/stop': ({ state, params }) => {
    const job = one(state, params.id)
    return job.status === 'running' ? Object.assign(job, { status: 'stopped', ended_at: seconds() }) : job
  },
}
