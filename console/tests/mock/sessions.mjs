// Users and sessions of the mocked gateway.
import { randomBytes } from 'node:crypto'
import { notFound, page, Problem, seconds } from './util.mjs'

const users = [
  { name: 'admin', password: 'console-admin', role: 'admin', created_at: seconds() - 9e6, last_login_at: null },
  { name: 'viewer', password: 'console-viewer', role: 'viewer', created_at: seconds() - 8e6, last_login_at: seconds() - 90000 },
]
const shown = ({ password, ...user }) => user
const random = () => randomBytes(16).toString('hex')

function begin(context, user) {
  const { state, answer } = context
  state.sessions ??= new Map()
  const id = random()
  user.last_login_at = seconds()
  state.sessions.set(id, { name: user.name, role: user.role, csrf: random() })
  answer.headers['Set-Cookie'] = `wxgate_${state.port}=${id}; Path=/; HttpOnly; SameSite=Strict`
  return told(context, state.sessions.get(id))
}

const told = ({ state }, session) => ({ ...session, expires_at: seconds() + 43200, server: { version: '0.9.0', node: 1, now: seconds(), public_url: state.isEmpty ? null : 'https://wx.example.com', demo: state.isEmpty } })

function login(context) {
  const { body, state } = context
  const user = users.find((u) => (body.once ? body.once === 'demo' && u.role === 'admin' : u.name === body.name && u.password === body.password))
  if (user) { state.wrong = 0; return begin(context, user) }
  state.wrong = (state.wrong ?? 0) + 1
  if (state.wrong > 5) throw new Problem(429, '错得太多，30 秒后再试', 'Too many wrong ones: try again in 30 s', { 'Retry-After': '30' })
  throw new Problem(401, '用户名或密码不对', 'Wrong name or password')
}

function setup(context) {
  const { state, body } = context
  if (!state.needsSetup) throw notFound()
  if (body.code !== '123456') throw new Problem(403, '设置码不对：它在启动日志和 data/setup-code 里', 'Wrong code: it is in the log and in data/setup-code')
  state.needsSetup = false
  context.answer.status = 201
  return begin(context, users[0])
}

function user(name) {
  const found = users.find((u) => u.name === name)
  if (!found) throw notFound()
  return found
}

export const sessions = {
  'GET setup': ({ state }) => { if (!state.needsSetup) throw notFound(); return { needed: true } },
  'POST setup': setup,
  'GET session': (context) => { if (!context.user) throw new Problem(401, '请先登录', 'Log in first'); return told(context, context.user) },
  'POST session': login,
  'DELETE session': (context) => { for (const [id, s] of context.state.sessions) if (s === context.user || (context.query.get('all') && s.name === context.user.name)) context.state.sessions.delete(id) },
  'GET users': ({ query }) => page(users.map(shown), query),
  'POST users': ({ body }) => { if ((body.password ?? '').length < 10) throw new Problem(422, 'password：至少 10 个字符', 'password: 10 characters at least'); users.push({ ...body, created_at: seconds(), last_login_at: null }); return shown(users.at(-1)) },
  'PATCH users/:name': ({ params, body }) => shown(Object.assign(user(params.name), body)),
  'DELETE users/:name': ({ params }) => { users.splice(users.indexOf(user(params.name)), 1) },
}
