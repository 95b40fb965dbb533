// A gateway that isn't one: serves console/dist under the real CSP, and answers the admin API from made-up data that
// writes change. `node tests/mock.mjs [--port 4180] [--empty] [--setup] [--dist DIR]`
// Users: admin / console-admin, viewer / console-viewer; #once=demo logs in as admin.
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { parseArgs } from 'node:util'
import { configure, inspect } from './mock/configure.mjs'
import { entries } from './mock/entries.mjs'
import { jobs, madeJobs } from './mock/jobs.mjs'
import { makeEvent, messages } from './mock/messages.mjs'
import { sessions } from './mock/sessions.mjs'
import { Problem, seconds } from './mock/util.mjs'
import { tick, watch } from './mock/watch.mjs'

const { values: flags } = parseArgs({ options: { port: { type: 'string', default: '4180' }, empty: { type: 'boolean', default: false }, setup: { type: 'boolean', default: false }, dist: { type: 'string', default: new URL('../dist', import.meta.url).pathname } } })
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue"
const types = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.html': 'text/html; charset=utf-8', '.ico': 'image/x-icon' }

const stored = entries(flags.empty)
const state = {
  isEmpty: flags.empty, needsSetup: flags.setup, port: flags.port, rev: 1, stillRefused: 1, muted: {}, ...stored, ...messages(stored.apps, flags.empty),
  jobs: madeJobs(flags.empty),
  channels: flags.empty ? [] : [{ name: 'ops-wecom', kind: 'wecom', lang: null, url: true, secret: false, revision: 2, last_at: seconds() - 2880, last_error: null }, { name: 'oncall', kind: 'dingtalk', lang: 'zh', url: true, secret: true, revision: 1, last_at: seconds() - 2870, last_error: ['机器人说关键词不对', 'The robot says that the keyword is missing'] }],
  audit: flags.empty ? [] : Array.from({ length: 70 }, (_, i) => ({ id: 400 - i, at: seconds() - 600 - i * 5400, actor: i % 4 ? 'admin' : 'wang.lei', role: 'admin', ip: '10.0.8.21', action: ['change', 'create', 'rotate', 'delete'][i % 4], target: ['routes/crm', 'apps/wx3cc8fd6963e31a32', 'callers/shop', 'routes/old'][i % 4], before: i % 4 ? { timeout: '5s' } : null, after: i % 4 === 3 ? null : { timeout: '15s' } })),
}
for (const x of state.routes) x.dead = state.events.flatMap((e) => e.deliveries).filter((d) => d.route === x.name && d.status === 'dead').length
const handlers = { ...watch, ...sessions, ...inspect, ...configure, ...jobs }
const patterns = Object.keys(handlers).map((key) => {
  const [method, path] = key.split(' ')
  return { key, method, parts: path.split('/'), isPlain: !path.includes(':') }
}).sort((a, b) => b.isPlain - a.isPlain)

function route(method, path) {
  const parts = path.split('/').map(decodeURIComponent)
  for (const p of patterns) {
    if (p.method !== method || p.parts.length !== parts.length) continue
    if (!p.parts.every((x, i) => x.startsWith(':') || x === parts[i])) continue
    return { handle: handlers[p.key], params: Object.fromEntries(p.parts.flatMap((x, i) => (x.startsWith(':') ? [[x.slice(1), parts[i]]] : []))) }
  }
  throw new Problem(404, '没有这个接口', 'There is no such endpoint')
}

const isEnglish = (request) => /^en/i.test(request.headers['accept-language'] ?? '')

/** Pairs of texts become the one that was asked for; what a viewer may not see is masked. */
function told(value, english, masked, key = '') {
  if (Array.isArray(value)) {
    if (value.length === 2 && value.every((v) => typeof v === 'string') && ['advice', 'reason', 'error', 'summary', 'impact', 'fix', 'cause', 'label', 'unused', 'last_error', 'text'].includes(key)) return value[english ? 1 : 0]
    return value.map((v) => told(v, english, masked))
  }
  if (masked && ['before', 'after'].includes(key) && value) return Object.fromEntries(Object.keys(value).map((name) => [name, '***']))
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, told(v, english, masked, k)]))
  if (masked && ['openid', 'FromUserName'].includes(key) && value) return value.slice(0, 4) + '***' + value.slice(-2)
  if (masked && ['raw', 'Content'].includes(key)) return '***'
  return value
}

async function bodyOf(request) {
  let text = ''
  for await (const chunk of request) text += chunk
  return text ? JSON.parse(text) : {}
}

async function api(request, response, url) {
  const path = url.pathname.slice('/api/v1/'.length)
  const user = state.sessions?.get(/wxgate_\d+=(\w+)/.exec(request.headers.cookie ?? '')?.[1])
  const isOpen = ['session', 'setup'].includes(path) && request.method !== 'DELETE'
  if (!user && !isOpen) throw new Problem(401, '请先登录', 'Log in first')
  if (path === 'live') return live(request, response, url)
  const { handle, params } = route(request.method, path)
  const isWrite = request.method !== 'GET'
  if (isWrite && !isOpen) {
    if (request.headers['x-wxgate-csrf'] !== user.csrf) throw new Problem(403, '缺少 X-Wxgate-Csrf', 'X-Wxgate-Csrf is missing')
    if (user.role === 'viewer' && path !== 'session') throw new Problem(403, '只读用户不能改', 'A viewer can change nothing')
  }
  if (user?.role === 'viewer' && /^(users|channels|backup)/.test(path)) throw new Problem(403, '只读用户看不到', 'A viewer does not see this')
  onlyKnown(path, url.searchParams)
  const answer = { headers: {}, status: { POST: /^(apps|callers|routes|users|channels|setup)$/.test(path) ? 201 : 200, DELETE: 204 }[request.method] ?? 200 }
  const result = await handle({ state, params, query: url.searchParams, body: ['GET', 'DELETE'].includes(request.method) ? {} : await bodyOf(request), request, answer, user })
  response.writeHead(answer.status, { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-request-id': 'adm_' + seconds().toString(36), ...answer.headers })
  response.end(result === undefined ? '' : JSON.stringify(told(result, isEnglish(request), user?.role === 'viewer')))
}

/** Lists refuse a parameter that they don't know, as the gateway does. */
const parameters = {
  events: 'appid openid event route status from to cursor limit', deliveries: 'route status event_id cursor limit', 'deliveries/groups': 'status route from to',
  refused: 'appid ip cursor limit', failures: 'request_id errcode appid caller cursor limit', series: 'metric by range from to step appid caller api route',
}

function onlyKnown(path, query) {
  const other = [...query.keys()].find((key) => parameters[path] && !parameters[path].split(' ').includes(key))
  if (other) throw new Problem(400, `没有参数 ${other}`, `there is no parameter ${other}`)
}

function live(request, response, url) {
  const topics = (url.searchParams.get('topics') ?? 'tick').split(',')
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  const send = (event, data) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  const every = setInterval(() => {
    if (topics.includes('tick')) send('tick', tick(state))
    if (topics.includes('event') && !state.isEmpty && seconds() % 3 === 0) {
      const made = makeEvent(Number(state.events[0].id) + 1, seconds(), 'wx3cc8fd6963e31a32')
      state.events.unshift(made)
      const { detail, ...item } = made
      send('row', { topic: 'event', item })
    }
  }, 1000)
  const comment = setInterval(() => response.write(': still here\n\n'), 15_000)
  if (topics.includes('tick')) send('tick', tick(state))
  request.on('close', () => [every, comment].forEach(clearInterval))
}

function fail(request, response, error) {
  const problem = error instanceof Problem ? error : new Problem(500, '内部错误', 'Internal error')
  if (problem.status === 500) console.error(error)
  response.writeHead(problem.status, { 'content-type': 'application/problem+json', ...problem.headers })
  response.end(JSON.stringify({ type: 'about:blank', title: String(problem.status), status: problem.status, detail: isEnglish(request) ? problem.en : problem.zh, request_id: 'adm_' + seconds().toString(36) }))
}

function asset(response, path) {
  const file = join(flags.dist, normalize('/' + path.replace(/^\/_\/[^/]+\//, '')))
  if (!existsSync(file)) return fail({ headers: {} }, response, new Problem(404, '没有', 'none'))
  response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'cache-control': 'public, max-age=31536000, immutable', 'x-content-type-options': 'nosniff' })
  createReadStream(file).pipe(response)
}

const version = Date.now().toString(36)
createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock')
  try {
    if (url.pathname.startsWith('/api/v1/')) return await api(request, response, url)
    if (url.pathname.startsWith('/_/')) return asset(response, url.pathname)
    if (request.method !== 'GET' || !request.headers.accept?.includes('text/html')) throw new Problem(404, '没有', 'none')
    response.writeHead(200, { 'content-type': types['.html'], 'content-security-policy': csp, 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
    response.end(readFileSync(join(flags.dist, 'index.html'), 'utf8').replaceAll('ASSETS', version))
  } catch (error) {
    fail(request, response, error)
  }
}).listen(Number(flags.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${flags.port}/`))
