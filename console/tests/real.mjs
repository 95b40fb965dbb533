// Walks through the console of the real gateway in a real browser: `WXGATE_BIN=… node tests/real.mjs [--only WORDS] [--out DIR]`.
// Each walk has a demo or a server of its own.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { conditionWalks } from './walks/conditions.mjs'
import { startDemo, startServer } from './walks/gateway.mjs'
import { run } from './walks/harness.mjs'
import { replayedWalks } from './walks/replayed.mjs'

const { values: flags } = parseArgs({ options: { only: { type: 'string', default: '' }, out: { type: 'string', default: '' } } })
const PASSWORD = 'correct horse battery'
const OFFICIAL = 'wx00000000000000a1'
const SECRET = 'a1'.repeat(16)

const post = (url, body, headers = {}) => fetch(url, { method: 'POST', body: JSON.stringify(body), headers })

async function enter(page, demo) {
  await page.goto(demo.link)
  await page.getByRole('heading', { level: 1 }).first().waitFor()
  await page.waitForURL(demo.base + '/')
}

/** Does as the page would, by its own session. */
async function asks(page, demo, method, path, body) {
  const session = await (await page.request.get(`${demo.base}/api/v1/session`)).json()
  return page.request.fetch(`${demo.base}/api/v1/${path}`, { method, data: body, headers: { 'x-wxgate-csrf': session.csrf, origin: demo.base } })
}

const PAGES = ['/', '/events', '/dead', '/quota', '/apps', `/apps/${OFFICIAL}`, '/callers', '/routes', '/routes/sample-backend', '/routes/test', '/refused', '/jobs', '/errors', '/errors/40001', '/audit', '/alerts', '/settings']

const walks = {
  async 'a setup code: wrong ones are slowed, the right one works once'({ page, server, expectMessages }) {
    const it = await server()
    expectMessages(/status of (401|403|404|429)/)
    await page.goto(it.base)
    await page.waitForURL('**/setup')
    const began = Date.now()
    for (let n = 0; n < 5; n++) {
      const wrong = await post(`${it.base}/api/v1/setup`, { code: 'AAAAAA-AAAAAA', password: PASSWORD })
      assert.equal(wrong.status, 403)
    }
    assert.ok(Date.now() - began > 1500, 'the last two were slowed')
    const code = readFileSync(join(it.folder, 'setup-code'), 'utf8').trim()
    assert.ok(it.said.includes(code), 'it stands in the log')
    await page.getByLabel('设置码').fill(code)
    await page.getByLabel('密码', { exact: true }).fill(PASSWORD)
    await page.getByLabel('再输一次').fill(PASSWORD)
    await page.getByRole('button', { name: '设好并进入' }).click()
    await page.getByRole('heading', { name: '概览' }).waitFor()
    assert.equal((await fetch(`${it.base}/api/v1/setup`)).status, 404)
    assert.equal((await post(`${it.base}/api/v1/setup`, { code, password: PASSWORD })).status, 404)
  },

  async 'an address that is not listed: a card within five seconds, with the address; checked again it is gone'({ page, demo }) {
    const it = await demo()
    await enter(page, it)
    const app = { appid: OFFICIAL, secret: SECRET, kind: 'official' }
    await post(`${it.sandbox}/sandbox/apps`, { ...app, ip_allow: ['192.0.2.1'] })
    await post(`${it.gateway}/v1/service/wx/getwxqrcode`, { appid: OFFICIAL, scene: 's', source: 't' })
    await page.getByText('IP 白名单').first().waitFor({ timeout: 8_000 })
    await page.getByText('127.0.0.1').first().waitFor()
    await post(`${it.sandbox}/sandbox/apps`, { ...app, ip_allow: [] })
    await page.getByRole('button', { name: '再检查一次' }).first().click()
    await page.getByText('IP 白名单').first().waitFor({ state: 'detached', timeout: 15_000 })
  },

  async 'keys: made, shown once, rotated, ended; none stays anywhere'({ page, demo }) {
    const it = await demo()
    await enter(page, it)
    const made = await (await asks(page, it, 'POST', 'callers', { name: 'shop', apps: ['*'], apis: ['*'] })).json()
    const calls = async (key) => (await fetch(`${it.gateway}/cgi-bin/getcallbackip?access_token=${key}`, { headers: { 'x-api-key': key } })).json()
    assert.ok(made.key.length > 20)
    const rotated = await (await asks(page, it, 'POST', 'callers/shop/rotate')).json()
    for (const key of [made.key, rotated.key]) assert.equal((await calls(key)).errcode ?? 0, (await calls(rotated.key)).errcode ?? 0)
    await page.goto(`${it.base}/callers/shop`)
    await page.getByText(rotated.key.slice(-4)).first().waitFor()
    await asks(page, it, 'PATCH', 'callers/shop', { previous_key: null })
    for (const path of ['callers', 'callers/shop', 'audit', 'overview', 'search?q=shop']) {
      const text = await (await page.request.get(`${it.base}/api/v1/${path}`)).text()
      for (const key of [made.key, rotated.key]) assert.ok(!text.includes(key), path)
    }
    const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.documentElement.outerHTML, location.href]))
    for (const key of [made.key, rotated.key]) assert.ok(!kept.includes(key))
  },

  async 'a viewer sees no button that changes something, and messages without their text'({ page, context, demo, expectMessages }) {
    const it = await demo()
    expectMessages(/status of (401|403|404)/)
    await enter(page, it)
    await post(`${it.sandbox}/sandbox/reset`, {}).catch(() => {})
    assert.equal((await asks(page, it, 'POST', 'users', { name: 'li', role: 'viewer', password: PASSWORD })).status(), 201)
    await context.clearCookies()
    await page.goto(`${it.base}/login`)
    await page.getByLabel('用户名').fill('li')
    await page.getByLabel('密码').fill(PASSWORD)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: '概览' }).waitFor()
    for (const path of PAGES) {
      await page.goto(it.base + path)
      await page.locator('main h1').first().waitFor()
      await page.waitForTimeout(300)
      assert.equal(await page.locator('main .btn.pri, main .btn.danger').count(), 0, path)
    }
    for (const [method, path] of [['POST', 'apps'], ['POST', 'callers'], ['PATCH', 'routes/sample-backend'], ['DELETE', `apps/${OFFICIAL}`], ['POST', 'users'], ['POST', 'reload'], ['POST', 'backup'], ['POST', 'channels'], ['PUT', 'routes/order'], ['POST', `apps/${OFFICIAL}/check`]]) {
      assert.equal((await asks(page, it, method, path, {})).status(), 403, `${method} ${path}`)
    }
    const events = await (await page.request.get(`${it.base}/api/v1/events`)).json()
    for (const event of events.items) assert.match(event.openid, /\*\*\*/)
  },

  async 'every page, in both languages, narrow and wide'({ page, demo, look }) {
    const it = await demo()
    await enter(page, it)
    await post(`${it.gateway}/v1/service/wx/getwxqrcode`, { appid: OFFICIAL, scene: 's', source: 't' })
    const wrong = []
    for (const lang of ['zh', 'en']) {
      await page.evaluate((lang) => localStorage.setItem('wxgate.prefs', JSON.stringify({ lang, theme: lang === 'zh' ? 'light' : 'dark' })), lang)
      for (const width of [390, 1440]) {
        await page.setViewportSize({ width, height: 900 })
        for (const path of PAGES) {
          await page.goto(it.base + path)
          await page.locator('main h1').first().waitFor()
          await page.waitForTimeout(400)
          const name = `${lang}-${width}${path.replaceAll('/', '_')}`
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
          if (wide > 0) wrong.push(`${name}: ${wide} px too wide`)
          const text = await page.evaluate(() => document.body.innerText)
          if (/undefined|NaN|\[object/.test(text)) wrong.push(`${name}: ${text.match(/.{0,30}(undefined|NaN|\[object).{0,30}/)[0]}`)
          for (const found of await look(page, name)) wrong.push(`${name}: ${found}`)
        }
      }
    }
    assert.deepEqual(wrong, [])
  },

  async 'a server that is killed, and comes back'({ page, demo, expectMessages }) {
    const it = await demo()
    await enter(page, it)
    expectMessages(/./)
    const chip = page.locator('header .tag[role=status]')
    await chip.filter({ hasText: '实时' }).waitFor()
    it.child.kill('SIGSTOP')
    await chip.filter({ hasText: /已停|轮询/ }).waitFor({ timeout: 60_000 })
    it.child.kill('SIGCONT')
    await chip.filter({ hasText: '实时' }).waitFor({ timeout: 60_000 })
  },

  async 'a page of another origin cannot write, and the cookie goes nowhere else'({ page, demo, expectMessages }) {
    const it = await demo()
    await enter(page, it)
    expectMessages(/./)
    const other = await page.context().newPage()
    await other.goto(it.sandbox)
    const status = await other.evaluate(async (url) => {
      const answer = await fetch(url, { method: 'POST', credentials: 'include', body: '{}', mode: 'no-cors' }).catch(() => null)
      return answer?.status ?? 0
    }, `${it.base}/api/v1/callers`)
    assert.equal(status, 0)
    const callers = await (await page.request.get(`${it.base}/api/v1/callers`)).json()
    assert.equal(callers.items.filter((one) => one.origin === 'store').length, 0)
    const cookies = await page.context().cookies()
    assert.ok(cookies.every((cookie) => !/^(__Host-)?wxgate_/.test(cookie.name) || (cookie.httpOnly && cookie.sameSite === 'Strict')))
  },
}

await run({ ...walks, ...conditionWalks({ enter, post, OFFICIAL, PAGES }), ...replayedWalks({ enter, asks, post, OFFICIAL }) }, {
  ...flags,
  allowed: /^$/,
  begin: async () => {
    const started = []
    const kept = (starting) => async () => {
      const it = await starting()
      started.push(it)
      return it
    }
    const end = () => {
      for (const it of started) {
        it.child.kill('SIGKILL')
        it.end?.()
      }
    }
    return { given: { demo: kept(startDemo), server: kept(startServer) }, end }
  },
})
