// Walks through the page of the simulated WeChat in a real browser, against the real program (WXGATE_BIN): what one does
// with the phone, and what stands in the journal. `node tests/phone.mjs [--only WORDS] [--out DIR]`, which takes pictures.
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { startDemo } from './walks/gateway.mjs'
import { run } from './walks/harness.mjs'
import { MENU, TEMPLATE, codeOf, control, lastPush, pushed, service, tokenOf } from './walks/sandbox.mjs'
import { cardWalks } from './walks/phone-cards.mjs'
import { lookWalks } from './walks/phone-look.mjs'

const { values: flags } = parseArgs({ options: { only: { type: 'string', default: '' }, out: { type: 'string', default: '' } } })

const OFFICIAL = 'wx00000000000000a1'
const MINI = 'wx00000000000000b2'

const phone = (page) => page.getByRole('region', { name: '手机' })
const screen = (page) => page.getByRole('region', { name: '屏幕' })
const log = (page) => page.getByRole('region', { name: '记录' })
const chip = (page, text) => phone(page).getByRole('button', { name: text }).last()

const walks = {
  async 'from opening the page to the first scan on screen: under 15 seconds'({ page, demo }) {
    const it = await demo()
    const began = Date.now()
    await page.goto(it.sandbox)
    await screen(page).getByRole('button', { name: '做一个码' }).click()
    await screen(page).getByRole('button', { name: /^用 Hui🐠 的手机扫/ }).first().click()
    await chip(page, /SCAN → 200/).waitFor()
    assert.ok(Date.now() - began < 15_000, `${Date.now() - began} ms`)
    console.log(`    ${Date.now() - began} ms from opening to the event`)
    await phone(page).getByText(/^扫了 scan_/).waitFor()
    // The chip leads to the push: request, answer, and once more.
    await chip(page, /SCAN → 200/).click()
    await log(page).getByText('第 1 次').waitFor()
    await log(page).getByText('msg_signature=').first().waitFor()
    await log(page).getByRole('button', { name: '重发' }).click()
    await page.getByText('重发了').first().waitFor()
    assert.equal((await pushed(it)).filter((push) => push.message.includes('SCAN')).length, 2)
  },

  async 'a code that the backend makes appears by itself, and a new user follows by it'({ page, demo }) {
    const it = await demo()
    await page.goto(it.sandbox)
    await service(it, 'getwxqrcode', { appid: OFFICIAL, scene: 'login_8f3a', source: 'walk' })
    await screen(page).getByText('login_8f3a').waitFor()
    await log(page).getByText('/cgi-bin/qrcode/create').waitFor()
    await phone(page).getByLabel('谁的手机').selectOption('')
    await phone(page).getByLabel('昵称').fill('小雨')
    await page.keyboard.press('Enter')
    await phone(page).getByRole('combobox').filter({ hasText: '小雨' }).waitFor()
    await screen(page).getByRole('button', { name: '用 小雨 的手机扫 login_8f3a' }).click()
    await chip(page, /subscribe → 200/).waitFor()
    await phone(page).getByText('扫 login_8f3a 关注了').waitFor()
    await phone(page).getByRole('button', { name: '取消关注' }).click()
    await chip(page, /unsubscribe → 200/).waitFor()
    await phone(page).getByPlaceholder('关注之后才能对话').waitFor()
    await phone(page).getByRole('button', { name: '关注', exact: true }).click()
    await phone(page).getByPlaceholder('说点什么').waitFor()
  },

  async 'pasted: a ticket, an address; a file: a picture of the code'({ page, demo }) {
    const it = await demo()
    const ticket = await codeOf(it, OFFICIAL, 'by_paste')
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    const { codes } = await control(it, 'codes')
    for (const text of [ticket, codes[0].url, `${it.sandbox}/cgi-bin/showqrcode?ticket=${encodeURIComponent(ticket)}`]) {
      const before = (await pushed(it)).length
      await phone(page).getByRole('button', { name: '扫码' }).click()
      await phone(page).getByLabel(/^粘贴/).fill(text)
      await page.keyboard.press('Enter')
      await phone(page).getByRole('dialog').waitFor({ state: 'detached' })
      await until(async () => (await pushed(it)).length === before + 1)
    }
    const picture = Buffer.from(await (await fetch(`${it.sandbox}/sandbox/codes/${codes[0].seq}`)).arrayBuffer())
    const before = (await pushed(it)).length
    await phone(page).getByRole('button', { name: '扫码' }).click()
    await phone(page).getByRole('dialog').locator('input[type=file]').setInputFiles({ name: 'code.jpg', mimeType: 'image/jpeg', buffer: picture })
    await until(async () => (await pushed(it)).length === before + 1)
    assert.match((await lastPush(it)).message, /SCAN[\s\S]*by_paste/)
  },

  async 'messages of every kind, with what was answered'({ page, demo }) {
    const it = await demo()
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    await phone(page).getByLabel('说点什么').fill('你好')
    await page.keyboard.press('Enter')
    await phone(page).getByText('你好', { exact: true }).waitFor()
    await chip(page, /text → 200/).waitFor()
    await phone(page).getByRole('button', { name: '更多', exact: true }).last().click()
    await phone(page).getByRole('button', { name: '照片' }).click()
    await phone(page).getByRole('button', { name: '拍一张' }).click()
    await chip(page, /image → 200/).waitFor()
    const picture = phone(page).getByRole('img', { name: '图片' })
    await until(() => picture.evaluate((img) => img.naturalWidth > 0))
    assert.match((await lastPush(it)).message, /<PicUrl>.*sandbox\/files/)
    await phone(page).getByRole('button', { name: '语音' }).last().click()
    await chip(page, /voice → 200/).waitFor()
    await phone(page).getByRole('button', { name: '位置' }).click()
    await phone(page).getByRole('button', { name: '天安门' }).click()
    await phone(page).getByRole('button', { name: '发送位置' }).click()
    await chip(page, /location → 200/).waitFor()
    assert.match((await lastPush(it)).message, /<Location_X>39.908722<\/Location_X>/)
    await phone(page).getByRole('button', { name: '链接' }).click()
    await phone(page).getByRole('button', { name: '发送链接' }).click()
    await chip(page, /link → 200/).waitFor()
  },

  async 'a menu: click, page, scan, photo, place'({ page, demo }) {
    const it = await demo()
    const body = JSON.stringify(MENU(it.backend ?? it.sandbox))
    const made = await fetch(`${it.sandbox}/cgi-bin/menu/create?access_token=${await tokenOf(it, OFFICIAL)}`, { method: 'POST', body })
    assert.equal((await made.json()).errcode, 0)
    const ticket = await codeOf(it, OFFICIAL, 'by_menu')
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    await phone(page).getByRole('button', { name: '今日优惠' }).waitFor()
    // It is there as well when a chat is opened by its address.
    await page.reload()
    await phone(page).getByRole('button', { name: '今日优惠' }).click()
    await chip(page, /CLICK → 200/).waitFor()
    assert.match((await lastPush(it)).message, /<EventKey><!\[CDATA\[sale\]\]>/)
    await phone(page).getByRole('button', { name: '工具' }).click()
    await phone(page).getByRole('button', { name: '扫一扫' }).click()
    await phone(page).getByText('菜单在等一个码').waitFor()
    await phone(page).getByLabel(/^粘贴/).fill(ticket)
    await page.keyboard.press('Enter')
    await chip(page, /scancode_waitmsg → 200/).waitFor()
    assert.match((await lastPush(it)).message, /<ScanResult><!\[CDATA\[http:\/\/weixin\.qq\.com\/q\//)
    await phone(page).getByRole('button', { name: '工具' }).click()
    await phone(page).getByRole('button', { name: '发照片' }).click()
    await phone(page).getByRole('button', { name: '拍一张' }).click()
    await chip(page, /pic_sysphoto → 200/).waitFor()
    await chip(page, /image → 200/).waitFor()
    await phone(page).getByRole('button', { name: '工具' }).click()
    await phone(page).getByRole('button', { name: '发位置' }).click()
    await phone(page).getByRole('button', { name: '发送位置' }).click()
    await chip(page, /location_select → 200/).waitFor()
    await phone(page).getByRole('button', { name: '我的订单' }).click()
    await phone(page).locator('iframe').waitFor()
    await chip(page, /VIEW → 200/).waitFor()
    await page.keyboard.press('Escape')
    await phone(page).getByRole('button', { name: '换成键盘' }).click()
    await phone(page).getByLabel('说点什么').waitFor()
  },

  async 'a web page asks for consent, in the frame and in a tab; the one who holds the phone comes first'({ page, context, demo }) {
    const it = await demo()
    await control(it, 'users', { nickname: '小雨' })
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}&user=u2`)
    await phone(page).getByRole('button', { name: '网页授权' }).click()
    await phone(page).getByRole('button', { name: '询问用户' }).click()
    const frame = page.frameLocator('iframe')
    await frame.locator('li a').first().filter({ hasText: '小雨' }).click()
    await frame.getByText('网页拿到了 code').waitFor()
    const code = await frame.getByRole('group', { name: 'code', exact: true }).innerText()
    assert.match(code.trim(), /^\w{32}$/)
    const secret = 'a1'.repeat(16)
    const got = await (await fetch(`${it.sandbox}/sns/oauth2/access_token?appid=${OFFICIAL}&secret=${secret}&code=${code.trim()}&grant_type=authorization_code`)).json()
    const { chats } = await control(it, 'chats?user=u2')
    assert.equal(got.openid, chats[0].openid)
    // The gateway's own start of OAuth, in a tab of its own.
    const back = encodeURIComponent(`${it.sandbox}/?view=came`)
    const tab = await context.newPage()
    await tab.goto(`${it.sandbox}/connect/oauth2/authorize?appid=${OFFICIAL}&redirect_uri=${back}&response_type=code&scope=snsapi_userinfo&state=x`)
    await tab.getByRole('link', { name: '拒绝' }).click()
    await tab.getByText('用户拒绝了').waitFor()
  },

  async 'a mini program: its code, login, phone number, subscription, customer service'({ page, demo }) {
    const it = await demo()
    const token = await tokenOf(it, MINI)
    await fetch(`${it.sandbox}/wxa/getwxacodeunlimit?access_token=${token}`, { method: 'POST', body: '{"scene":"id=1"}' })
    await page.goto(it.sandbox)
    await screen(page).getByRole('button', { name: /扫 id=1/ }).click()
    const sheet = phone(page).getByRole('dialog', { name: '小程序' })
    await sheet.getByText('id=1').waitFor()
    await sheet.getByRole('button', { name: '登录 wx.login' }).click()
    await sheet.getByText('登录 code').waitFor()
    await sheet.getByRole('button', { name: '手机号' }).click()
    await sheet.getByText(/^手机号 code/).waitFor()
    await sheet.getByRole('button', { name: '允许订阅' }).click()
    await phone(page).getByLabel('次数').fill('2')
    await phone(page).getByRole('button', { name: '允许', exact: true }).click()
    await page.getByText('还可以收 2 条').first().waitFor()
    await phone(page).getByRole('button', { name: '关闭' }).click()
    const openid = (await control(it, 'chats?user=u1')).chats.find((one) => one.appid === MINI).openid
    const sent = await (await fetch(`${it.sandbox}/cgi-bin/message/subscribe/send?access_token=${token}`, { method: 'POST', body: JSON.stringify({ touser: openid, template_id: TEMPLATE, data: { thing1: { value: '奶茶' } } }) })).json()
    assert.equal(sent.errcode, 0, JSON.stringify(sent))
    await phone(page).getByText('奶茶').waitFor()
    await phone(page).getByText('订阅消息', { exact: true }).waitFor()
    await phone(page).getByRole('button', { name: '进入客服' }).click()
    await phone(page).getByText('进入客服会话').waitFor()
    await phone(page).getByLabel('说点什么').fill('在吗')
    await page.keyboard.press('Enter')
    await phone(page).getByText('在吗', { exact: true }).waitFor()
  },

  async 'what an account sends: a template card, a service message, news, a picture'({ page, demo }) {
    const it = await demo()
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    await phone(page).getByLabel('说点什么').fill('hi')
    await page.keyboard.press('Enter')
    const token = await tokenOf(it, OFFICIAL)
    const openid = (await control(it, 'chats?user=u1')).chats.find((one) => one.appid === OFFICIAL).openid
    const send = (path, body) => fetch(`${it.sandbox}${path}?access_token=${token}`, { method: 'POST', body: JSON.stringify({ touser: openid, ...body }) })
    await send('/cgi-bin/message/template/send', { template_id: TEMPLATE, data: { 商品: { value: '奶茶' }, 时间: { value: '11 月 26 日 10:00' } } })
    await send('/cgi-bin/message/custom/send', { msgtype: 'text', text: { content: '点 <a href="http://127.0.0.1:1/x">这里</a> 看订单' } })
    await send('/cgi-bin/message/custom/send', { msgtype: 'news', news: { articles: [{ title: '今日优惠', description: '全场八折', url: 'http://127.0.0.1:1/' }] } })
    await phone(page).getByText('11 月 26 日 10:00').waitFor()
    await phone(page).getByRole('button', { name: '这里' }).waitFor()
    await phone(page).getByRole('button', { name: /今日优惠/ }).waitFor()
    await phone(page).getByText('客服消息').first().waitFor()
  },

  async 'the journal: filtered, opened, copied, and why WeChat refuses'({ page, context, demo }) {
    const it = await demo()
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const token = await tokenOf(it, OFFICIAL)
    await fetch(`${it.sandbox}/cgi-bin/message/template/send?access_token=${token}`, { method: 'POST', body: JSON.stringify({ touser: 'oNobody', template_id: TEMPLATE, data: {} }) })
    await page.goto(`${it.sandbox}/sandbox/calls`)
    await page.waitForURL('**/?view=journal')
    await page.getByLabel('路径、appid、错误码').fill('template')
    await page.getByRole('button', { name: /template\/send/ }).click()
    await page.getByText('为什么拒绝 · 40003').waitFor()
    const { zh } = await control(it, 'errors/40003')
    await page.getByText(zh).waitFor()
    await page.getByText('oNobody').first().waitFor()
    await page.getByRole('button', { name: '复制为 curl' }).click()
    const line = await page.evaluate(() => navigator.clipboard.readText())
    assert.match(line, /^curl 'http:\/\/127\.0\.0\.1:\d+\/cgi-bin\/message\/template\/send\?access_token=/)
    assert.match(page.url(), /row=c\d+/)
    await page.reload()
    await page.getByText('为什么拒绝 · 40003').waitFor()
    await page.getByLabel('路径、appid、错误码').fill('')
    await page.getByLabel('只看出错').check()
    await until(async () => (await page.getByRole('button', { name: /stable_token/ }).count()) === 0)
    await page.getByRole('button', { name: '清空' }).click()
    await page.getByText('还没有记录').waitFor()
  },

  async 'faults are arranged and happen'({ page, demo }) {
    const it = await demo()
    await page.goto(it.sandbox)
    await log(page).getByRole('button', { name: '注入故障' }).click()
    await page.getByRole('button', { name: '下一次 45009' }).click()
    await page.getByText('等着发生').waitFor()
    await page.keyboard.press('Escape')
    const token = await tokenOf(it, OFFICIAL)
    const refused = await (await fetch(`${it.sandbox}/cgi-bin/qrcode/create?access_token=${token}`, { method: 'POST', body: '{}' })).json()
    assert.equal(refused.errcode, 45009)
    await log(page).getByText('45009').waitFor()
    await log(page).getByRole('button', { name: '注入故障' }).click()
    await page.getByRole('button', { name: '令牌被顶掉' }).click()
    await page.getByText('已安排').first().waitFor()
    const dead = await (await fetch(`${it.sandbox}/cgi-bin/get_api_domain_ip?access_token=${token}`)).json()
    assert.equal(dead.errcode, 40001)
  },

  async 'a code that is opened in a browser asks who scans it'({ page, demo, expectMessages }) {
    const it = await demo()
    expectMessages(/status of 40[04]/)
    await control(it, 'users', { nickname: '小雨' })
    await codeOf(it, OFFICIAL, 'by_browser')
    const { codes } = await control(it, 'codes')
    const id = codes[0].url.split('/q/')[1]
    await page.goto(`${it.sandbox}/q/${id}`)
    await page.getByText('by_browser').waitFor()
    await page.getByRole('button', { name: '小雨' }).click()
    await page.getByText('小雨 扫了').waitFor()
    await page.getByRole('link', { name: '去手机上看' }).click()
    await chip(page, /subscribe → 200/).waitFor()
    await page.goto(`${it.sandbox}/q/nothing`)
    await page.getByText('没有这个码').waitFor()
  },

  async 'an account without a callback says so, and gets one'({ page, demo, expectMessages }) {
    const it = await demo()
    expectMessages(/status of 40[04]/)
    const { apps } = await control(it, 'facts')
    const { url } = apps.find((one) => one.appid === OFFICIAL).callback
    await control(it, 'callback', { appid: OFFICIAL, url: '', mode: 'safe' })
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    await phone(page).getByLabel('说点什么').fill('有人吗')
    await page.keyboard.press('Enter')
    await phone(page).getByText('没有推送地址', { exact: true }).waitFor()
    await phone(page).getByRole('button', { name: /没有推送地址/ }).click()
    const card = page.getByRole('region', { name: OFFICIAL })
    await card.getByLabel('推送地址').fill('http://127.0.0.1:1/nothing')
    await card.getByRole('button', { name: '验证并保存' }).click()
    await page.getByText(/验证失败|verification failed/).first().waitFor()
    await card.getByLabel('推送地址').fill(url)
    await card.getByRole('button', { name: '验证并保存' }).click()
    await page.getByText('微信验证过了').first().waitFor()
  },

  async 'by the keyboard alone'({ page, demo }) {
    const it = await demo()
    await codeOf(it, OFFICIAL, 'by_keys')
    await page.goto(it.sandbox)
    await screen(page).getByText('by_keys').waitFor()
    const tabTo = async (name) => {
      for (let n = 0; n < 60; n++) {
        await page.keyboard.press('Tab')
        const now = await page.evaluate(() => document.activeElement?.getAttribute('aria-label') || (document.activeElement?.tagName === 'BUTTON' ? document.activeElement.textContent.trim() : ''))
        if (now.includes(name)) return
      }
      assert.fail(`${name} is not reached`)
    }
    await tabTo('扫 by_keys')
    await page.keyboard.press('Enter')
    await chip(page, /SCAN → 200/).waitFor()
    await page.evaluate(() => document.body.focus())
    await tabTo('扫码')
    await page.keyboard.press('Enter')
    await phone(page).getByRole('dialog').waitFor()
    assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /粘贴/)
    await page.keyboard.press('Escape')
    await phone(page).getByRole('dialog').waitFor({ state: 'detached' })
    assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), '扫码', 'the focus returns')
  },

  async 'a page on another port cannot write, and the console’s cookie reaches no journal'({ page, demo, expectMessages }) {
    const it = await demo()
    expectMessages(/403|404|CORS|Failed to load/)
    await page.goto(it.link)
    await page.getByRole('heading', { name: '概览' }).waitFor()
    assert.ok((await page.context().cookies()).some((one) => one.name.includes('wxgate_')))
    await page.goto(`${it.gateway}/nothing-here`)
    await page.evaluate((url) => fetch(url, { method: 'POST', mode: 'no-cors', body: '{"nickname":"evil"}' }).catch(() => {}), `${it.sandbox}/sandbox/users`)
    assert.ok(!(await control(it, 'users')).users.some((one) => one.nickname === 'evil'))
    await page.goto(`${it.sandbox}/cgi-bin/anything`)
    const { calls } = await control(it, 'calls')
    assert.ok(calls.some((one) => one.path === '/cgi-bin/anything'))
    assert.ok(!JSON.stringify(calls).includes('wxgate_'))
  },

  async 'a sandbox that falls silent, and comes back'({ page, demo, expectMessages }) {
    const it = await demo()
    expectMessages(/./)
    await page.goto(it.sandbox)
    const state = page.locator('header .state')
    await state.filter({ hasText: '实时' }).waitFor()
    await page.context().setOffline(true)
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    await state.filter({ hasText: '断开' }).waitFor()
    await page.context().setOffline(false)
    await state.filter({ hasText: '实时' }).waitFor()
  },
}

async function until(check) {
  for (let n = 0; n < 100; n++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail(`never: ${check}`)
}

await run({ ...walks, ...cardWalks, ...lookWalks }, {
  ...flags,
  // Of a menu where the sandbox knows none.
  allowed: /status of 404/,
  begin: async () => {
    const started = []
    const demo = async () => {
      const it = await startDemo()
      started.push(it)
      return it
    }
    return { given: { demo }, end: () => started.forEach((it) => it.child.kill('SIGKILL')) }
  },
})
