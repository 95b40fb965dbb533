// Every view of the sandbox's page in both languages, both themes, from a phone's width to a desk's: nothing too wide, no
// raw key, nothing for axe to find.
import assert from 'node:assert/strict'
import { MENU, TEMPLATE, codeOf, control, tokenOf } from './sandbox.mjs'

const OFFICIAL = 'wx00000000000000a1'
const MINI = 'wx00000000000000b2'

/** A world with something in it: codes, a conversation, a refusal. */
async function furnish(it) {
  const token = await tokenOf(it, OFFICIAL)
  const post = (path, body, by = token) => fetch(`${it.sandbox}${path}?access_token=${by}`, { method: 'POST', body: JSON.stringify(body) })
  await control(it, 'users', { nickname: '小雨' })
  const { chats } = await control(it, 'chats?user=u1')
  const { openid } = chats.find((one) => one.appid === OFFICIAL)
  await post('/wxa/getwxacodeunlimit', { scene: 'id=1' }, await tokenOf(it, MINI))
  await codeOf(it, OFFICIAL, 'order_42')
  const ticket = await codeOf(it, OFFICIAL, 'login_8f3a')
  await control(it, 'scan', { ticket, openid })
  await post('/cgi-bin/message/custom/send', { touser: openid, msgtype: 'text', text: { content: '登录成功，欢迎回来' } })
  await post('/cgi-bin/message/template/send', { touser: openid, template_id: TEMPLATE, data: { 商品: { value: '奶茶' }, 时间: { value: '11 月 26 日 10:00' } } })
  await control(it, 'message', { appid: OFFICIAL, openid, text: '你好' })
  await control(it, 'subscribe', { appid: MINI, openid: chats.find((one) => one.appid === MINI).openid, template_id: TEMPLATE, count: 2 })
  await control(it, 'fault', { path: '/cgi-bin/stable_token', appid: MINI, openid, probability: 0.25, delay_ms: { p50: 40, p99: 800 }, times: 0 })
  await post('/cgi-bin/message/custom/send', { touser: openid, msgtype: 'text', text: { content: '你好，我是小店助手 🐠' } })
  await post('/cgi-bin/message/template/send', { touser: chats.find((one) => one.appid === MINI).openid, template_id: TEMPLATE, data: {} })
  const { calls } = await control(it, 'calls?path=/cgi-bin/message/template/send')
  const { codes } = await control(it, 'codes')
  return { push: (await control(it, 'state')).pushes.at(-1).seq, refused: calls.at(-1).seq, id: codes[0].url.split('/q/')[1] }
}

const consent = (it, back) => `/connect/oauth2/authorize?appid=${OFFICIAL}&redirect_uri=${encodeURIComponent(back)}&response_type=code&scope=snsapi_userinfo&state=x`

/** What to look at: a name, an address, and what to press there. */
function places(it, { push, refused, id }) {
  return [
    ['chats', '/'],
    ['chat', `/?chat=${OFFICIAL}`],
    ['push', `/?chat=${OFFICIAL}&row=p${push}`],
    ['scan', `/?chat=${OFFICIAL}`, (page) => page.locator('.phone .grid button').first().click()],
    ['mini', `/?chat=${MINI}`, (page) => page.locator('.phone .grid button').nth(1).click()],
    ['allow', `/?chat=${MINI}`, (page) => page.locator('.phone .grid button').nth(3).click()],
    ['screen', '/?view=screen'],
    ['fault', '/?view=journal', (page) => page.locator('.log [aria-haspopup=dialog]').click()],
    ['web', `/?chat=${OFFICIAL}`, (page) => page.locator('.phone .grid button').nth(2).click()],
    ['journal', `/?view=journal&row=c${refused}`],
    ['facts', '/?view=facts'],
    ['came', '/?view=came&code=0123456789abcdef0123456789abcdef&state=x'],
    ['q', `/q/${id}`],
    ['consent', consent(it, `${it.sandbox}/?view=came`)],
    ['error', consent(it, 'http://evil.example.com/')],
  ]
}

async function lookAt(page, look, name, wrong) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  if (wide > 0) wrong.push(`${name}: ${wide} px too wide`)
  const text = await page.evaluate(() => document.body.innerText)
  const raw = /undefined|NaN|\[object|\b(phone|line|log|detail|facts|screen|scan|web|mini|views|allow)\.[a-z]\w+/i.exec(text)
  if (raw) wrong.push(`${name}: ${raw[0]}`)
  for (const found of await look(page, name)) wrong.push(`${name}: ${found}`)
}

export const lookWalks = {
  async 'every view, in both languages and themes, narrow and wide'({ page, demo, look }) {
    const it = await demo()
    const made = await furnish(it)
    await page.route('**/sandbox/menu?*', (route) => (route.request().url().includes(OFFICIAL) ? route.fulfill({ json: MENU(it.sandbox) }) : route.fulfill({ json: { button: [] } })))
    const wrong = []
    for (const [lang, theme, widths] of [['zh', 'light', [390, 768, 1440]], ['en', 'dark', [390, 1440]], ['zh', 'dark', [390, 1440]], ['en', 'light', [390, 1440]]]) {
      await page.goto(it.sandbox)
      await page.evaluate((prefs) => localStorage.setItem('wxgate.prefs', JSON.stringify(prefs)), { lang, theme })
      for (const width of widths) {
        await page.setViewportSize({ width, height: width < 768 ? 844 : 900 })
        for (const [name, path, act] of places(it, made)) {
          await page.goto(it.sandbox + path)
          await page.locator('h1').first().waitFor({ state: 'attached' })
          await page.waitForTimeout(500)
          await act?.(page)
          await page.waitForTimeout(200)
          await lookAt(page, look, `${name}-${width}-${theme}-${lang}`, wrong)
        }
      }
    }
    assert.deepEqual(wrong, [])
  },
}
