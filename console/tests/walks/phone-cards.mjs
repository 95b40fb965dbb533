// What a real phone opens: links of menus and texts, cards, articles, mini programs; what a user allows; faults; a narrow window.
import assert from 'node:assert/strict'
import { codeOf, control, pushed, tokenOf } from './sandbox.mjs'

const OFFICIAL = 'wx00000000000000a1'
const MINI = 'wx00000000000000b2'
const ORDER = 'sandbox-template-00000000000000000000000002'
const MEAL = 'sandbox-template-00000000000000000000000003'

const phone = (page) => page.getByRole('region', { name: '手机' })
const log = (page) => page.getByRole('region', { name: '记录' })

/** A white picture of one point. */
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==', 'base64')

const openidOf = async (it, appid, user = 'u1') => (await control(it, `chats?user=${user}`)).chats.find((one) => one.appid === appid).openid

/** A call with a token of the account; it works. */
async function call(it, appid, path, body) {
  const answer = await (await fetch(`${it.sandbox}${path}${path.includes('?') ? '&' : '?'}access_token=${await tokenOf(it, appid)}`, { method: 'POST', body: body instanceof FormData ? body : JSON.stringify(body) })).json()
  assert.ok(!answer.errcode, JSON.stringify(answer))
  return answer
}

function file(name) {
  const form = new FormData()
  form.set('media', new Blob([PNG], { type: 'image/png' }), name)
  return form
}

const authorizeReal = (back, scope = 'snsapi_userinfo') => `https://open.weixin.qq.com/connect/oauth2/authorize?appid=${OFFICIAL}&redirect_uri=${encodeURIComponent(back)}&response_type=code&scope=${scope}&state=mine#wechat_redirect`
/** Closes what lies over the chat. */
async function shut(page) {
  await phone(page).getByRole('button', { name: '关闭' }).click()
  await phone(page).getByRole('dialog').waitFor({ state: 'detached' })
}

const frame = (page) => page.frameLocator('iframe')

/** The code that the frame ends with belongs to this user. */
async function cameTo(it, page, user) {
  await frame(page).getByText('网页拿到了 code').waitFor()
  const code = (await frame(page).getByRole('group', { name: 'code', exact: true }).innerText()).trim()
  const got = await (await fetch(`${it.sandbox}/sns/oauth2/access_token?appid=${OFFICIAL}&secret=${'a1'.repeat(16)}&code=${code}&grant_type=authorization_code`)).json()
  assert.equal(got.openid, await openidOf(it, OFFICIAL, user))
}

export const cardWalks = {
  async 'links to open.weixin.qq.com, of a menu, a text and a bare address, ask the one who holds the phone'({ page, demo }) {
    const it = await demo()
    await control(it, 'users', { nickname: '小雨' })
    const back = `${it.sandbox}/?view=came&appid=${OFFICIAL}`
    await call(it, OFFICIAL, '/cgi-bin/menu/create', { button: [{ type: 'view', name: '登录', url: authorizeReal(back) }] })
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}&user=u2`)
    await phone(page).getByRole('button', { name: '关注', exact: true }).click()
    await phone(page).getByRole('button', { name: '登录' }).click()
    await frame(page).getByRole('heading', { name: /沙箱公众号/ }).waitFor()
    assert.equal(await frame(page).locator('.people li').count(), 1, 'nobody else is asked')
    await frame(page).getByRole('link', { name: /小雨/ }).click()
    await cameTo(it, page, 'u2')
    assert.match(await phone(page).getByLabel('网址').inputValue(), /^https:\/\/open\.weixin\.qq\.com\//, 'the address is what the account wrote')
    await shut(page)
    await control(it, 'message', { appid: OFFICIAL, openid: await openidOf(it, OFFICIAL, 'u2'), text: 'hi' })
    for (const content of [`<a href="${authorizeReal(back, 'snsapi_base')}">静默登录</a>`, `打开 ${authorizeReal(back, 'snsapi_base')}`]) {
      await call(it, OFFICIAL, '/cgi-bin/message/custom/send', { touser: await openidOf(it, OFFICIAL, 'u2'), msgtype: 'text', text: { content } })
      await phone(page).getByRole('button', { name: content.startsWith('<') ? '静默登录' : /^https:/ }).last().click()
      await cameTo(it, page, 'u2')
      await shut(page)
    }
  },

  async '“ask the user” keeps where an OAuth address leads to, and gives the code to a page that is typed'({ page, demo }) {
    const it = await demo()
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    for (const address of [authorizeReal(`${it.sandbox}/?view=came&appid=${OFFICIAL}&mine=1`, 'snsapi_base'), `${it.sandbox}/?view=came&appid=${OFFICIAL}&mine=1`]) {
      await phone(page).getByRole('button', { name: '网页授权' }).click()
      await phone(page).getByLabel('网址').fill(address)
      await phone(page).getByRole('button', { name: '询问用户' }).click()
      await frame(page).getByRole('link', { name: /Hui/ }).click()
      await cameTo(it, page, 'u1')
      const at = await page.frames().at(-1).url()
      assert.match(at, /mine=1.*code=\w{32}/)
      assert.equal(/state=mine/.test(at), address.includes('open.weixin'), at)
      await shut(page)
    }
  },

  async 'cards are tapped: a page, a mini program that is linked, the page of a subscription'({ page, demo }) {
    const it = await demo()
    const openid = await openidOf(it, OFFICIAL)
    const data = { first: { value: '您好' }, keyword1: { value: '巧克力' }, keyword2: { value: '39.8元' }, remark: { value: '欢迎再来' } }
    const send = (more) => call(it, OFFICIAL, '/cgi-bin/message/template/send', { touser: openid, template_id: ORDER, data, ...more })
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    await send({})
    await phone(page).getByText('订单通知').waitFor()
    await phone(page).getByText('商品', { exact: true }).waitFor()
    assert.equal(await phone(page).getByRole('button', { name: /订单通知/ }).count(), 0, 'it opens nothing')
    await send({ url: `${it.sandbox}/?view=came&code=0123456789&state=card` })
    await phone(page).getByRole('button', { name: /订单通知.*查看详情/s }).click()
    await frame(page).getByText('state = card').waitFor()
    await shut(page)
    await send({ miniprogram: { appid: MINI, pagepath: 'pages/index/index?id=7' } })
    await phone(page).getByRole('button', { name: /进入小程序/ }).click()
    const sheet = phone(page).getByRole('dialog', { name: '小程序' })
    for (const text of ['沙箱小程序', MINI, 'pages/index/index?id=7', '已关联']) await sheet.getByText(text, { exact: true }).waitFor()
    await sheet.getByRole('button', { name: '关闭' }).click()
    // A mini program's own card opens its page.
    const user = await openidOf(it, MINI)
    await control(it, 'subscribe', { appid: MINI, openid: user, template_id: MEAL, count: 1 })
    await call(it, MINI, '/cgi-bin/message/subscribe/send', { touser: user, template_id: MEAL, page: 'pages/index/index', data: { thing1: { value: '奶茶' }, time2: { value: '2026年1月2日 15:30' } } })
    await page.goto(`${it.sandbox}/?chat=${MINI}`)
    await phone(page).getByRole('button', { name: /取餐提醒/ }).click()
    await sheet.getByText('pages/index/index').waitFor()
    await sheet.getByRole('button', { name: '关闭' }).click()
    // One that isn't in this world: what would open is told all the same.
    await control(it, 'message', { appid: OFFICIAL, openid, text: 'x' })
    await call(it, OFFICIAL, '/cgi-bin/message/custom/send', { touser: openid, msgtype: 'text', text: { content: '<a href="http://a.cn" data-miniprogram-appid="wxnobody" data-miniprogram-path="pages/a">打开它</a>' } })
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    await phone(page).getByRole('button', { name: '打开它' }).click()
    for (const text of ['wxnobody', 'pages/a', /这里没有这个小程序/]) await sheet.getByText(text).last().waitFor()
  },

  async 'articles have their covers and can be read; a preview says that it is one'({ page, demo, look, expectMessages }) {
    const it = await demo()
    // The walk's own scripts may not run there either.
    expectMessages(/sandboxed|status of 404/)
    const cover = await call(it, OFFICIAL, '/cgi-bin/material/add_material?type=image', file('cover.png'))
    const { url } = await call(it, OFFICIAL, '/cgi-bin/media/uploadimg', file('in.png'))
    const content = `<p style="color: #b3261e">新品上市，第二杯半价。</p><p><img src="${url}" width="40"></p><script>document.title = 'ran'</script><p onclick="document.title='ran'">到店即可。</p>`
    const article = (title) => ({ title, author: '小店', digest: '第二杯半价', content, thumb_media_id: cover.media_id, content_source_url: `${it.sandbox}/?view=came&code=0123456789&state=source` })
    const draft = await call(it, OFFICIAL, '/cgi-bin/draft/add', { articles: [article('今日优惠'), article('门店公告')] })
    await call(it, OFFICIAL, '/cgi-bin/message/mass/preview', { touser: await openidOf(it, OFFICIAL), msgtype: 'mpnews', mpnews: { media_id: draft.media_id } })
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    await phone(page).getByText('群发预览').waitFor()
    await call(it, OFFICIAL, '/cgi-bin/message/mass/sendall', { filter: { is_to_all: true }, msgtype: 'mpnews', mpnews: { media_id: draft.media_id } })
    await phone(page).getByText('群发', { exact: true }).waitFor()
    const covers = phone(page).locator('.news img')
    for (let n = 0; n < 50 && (await covers.count()) < 4; n++) await page.waitForTimeout(100)
    assert.deepEqual(await covers.evaluateAll((all) => all.map((one) => one.naturalWidth)), [1, 1, 1, 1])
    assert.deepEqual(await look(page, 'articles'), [])
    await phone(page).getByRole('button', { name: /今日优惠/ }).last().click()
    await frame(page).getByRole('heading', { name: '今日优惠' }).waitFor()
    const words = frame(page).locator('.words')
    await words.getByText('到店即可').click()
    assert.equal(await frame(page).locator('html').evaluate(() => document.title).catch(() => '今日优惠'), '今日优惠', 'nothing of it runs')
    assert.equal(await words.locator('p').first().evaluate((one) => getComputedStyle(one).color), 'rgb(179, 38, 30)')
    assert.equal(await words.locator('img').evaluate((one) => one.naturalWidth), 1)
    await look(page, 'article')
    await frame(page).getByRole('link', { name: '阅读原文' }).click()
    await frame(page).getByText('state = source').waitFor()
  },

  async 'what is allowed is listed, refused, and taken back'({ page, demo }) {
    const it = await demo()
    await page.goto(`${it.sandbox}/?chat=${MINI}`)
    await phone(page).getByRole('button', { name: '允许订阅' }).click()
    const sheet = phone(page).getByRole('dialog', { name: '订阅消息' })
    await sheet.getByText('还没有允许过').waitFor()
    const choices = sheet.getByLabel('模板')
    assert.ok((await choices.locator('option').allInnerTexts()).some((one) => one.startsWith('取餐提醒')))
    await choices.selectOption(MEAL)
    await sheet.getByRole('button', { name: '拒绝' }).click()
    await page.getByText('拒绝了「取餐提醒」').first().waitFor()
    await sheet.getByLabel('次数').fill('3')
    await sheet.getByRole('button', { name: '允许', exact: true }).click()
    await page.getByText('允许了「取餐提醒」，还可以收 3 条').first().waitFor()
    await sheet.getByText('还可以收 3 条', { exact: true }).waitFor()
    const events = (await pushed(it)).filter((push) => push.appid === MINI).map((push) => push.message)
    assert.ok(events.some((one) => one.includes('subscribe_msg_popup_event') && one.includes('accept')), 'WeChat tells the account')
    await sheet.getByRole('button', { name: '不再接收 取餐提醒' }).click()
    await sheet.getByText('还没有允许过').waitFor()
    const refused = await (await fetch(`${it.sandbox}/cgi-bin/message/subscribe/send?access_token=${await tokenOf(it, MINI)}`, { method: 'POST', body: JSON.stringify({ touser: await openidOf(it, MINI), template_id: MEAL, data: { thing1: { value: 'x' }, time2: { value: '15:30' } } }) })).json()
    assert.equal(refused.errcode, 43101)
    await sheet.getByRole('button', { name: '关闭' }).click()
    await phone(page).getByText('不再接收订阅消息').waitFor()
  },

  async 'a fault of any kind, for whom and how often; those that stand are listed and withdrawn'({ page, demo, look }) {
    const it = await demo()
    await page.goto(it.sandbox)
    await log(page).getByRole('button', { name: '注入故障' }).click()
    const dialog = page.getByRole('dialog', { name: '注入故障' })
    await dialog.getByText('没有故障').waitFor()
    const ask = async () => (await fetch(`${it.sandbox}/cgi-bin/get_api_domain_ip?access_token=x`)).status
    await dialog.getByLabel('接口').selectOption('*')
    await dialog.getByRole('button', { name: 'HTTP 状态' }).click()
    await dialog.getByLabel('HTTP 状态').fill('503')
    await dialog.getByLabel('次数').fill('0')
    await dialog.getByRole('button', { name: '安排' }).click()
    await dialog.getByText('一直，直到撤掉').waitFor()
    assert.deepEqual([await ask(), await ask()], [503, 503])
    await dialog.getByRole('button', { name: '撤掉 *' }).click()
    await dialog.getByText('没有故障').waitFor()
    assert.equal(await ask(), 200)
    await dialog.getByLabel('接口').selectOption('/cgi-bin/stable_token')
    await dialog.getByRole('button', { name: '断开' }).last().click()
    await dialog.getByLabel('在哪里断').selectOption('before')
    await dialog.getByLabel('概率').fill('100')
    await dialog.getByLabel('次数').fill('2')
    await dialog.getByRole('combobox', { name: '账号', exact: true }).selectOption(MINI)
    await dialog.getByRole('button', { name: '安排' }).click()
    await dialog.getByText(`${MINI} · 还有 2 次`).waitFor()
    assert.deepEqual(await look(page, 'faults'), [])
    await tokenOf(it, OFFICIAL)
    await assert.rejects(() => tokenOf(it, MINI), 'the connection is cut')
    const { faults } = await control(it, 'faults')
    assert.deepEqual(faults, [{ id: 2, path: '/cgi-bin/stable_token', appid: MINI, cut: 'before', times: 1 }])
  },

  async 'the page that got a code says the whole call'({ page, demo }) {
    const it = await demo()
    await page.goto(`${it.sandbox}/?chat=${OFFICIAL}`)
    await phone(page).getByRole('button', { name: '网页授权' }).click()
    await phone(page).getByRole('button', { name: '询问用户' }).click()
    await frame(page).getByRole('link', { name: /Hui/ }).click()
    const line = frame(page).getByRole('group', { name: 'curl', exact: true })
    await line.getByText(OFFICIAL).waitFor()
    const [, url] = /'(http[^']+)'/.exec(await line.innerText())
    assert.ok((await (await fetch(url)).json()).openid, url)
  },

  async 'a user that the address names by nickname is found, and one that nobody knows is missed aloud'({ page, demo, expectMessages }) {
    const it = await demo()
    expectMessages(/status of 40[04]/)
    await control(it, 'users', { nickname: '小雨' })
    await page.goto(`${it.sandbox}/?user=${encodeURIComponent('小雨')}`)
    await phone(page).getByRole('combobox').filter({ hasText: '小雨' }).waitFor()
    await page.waitForURL('**/?user=u2')
    assert.equal(await phone(page).getByLabel('谁的手机').inputValue(), 'u2')
    await page.goto(`${it.sandbox}/?user=u99`)
    await page.getByText('没有用户 u99').first().waitFor()
  },

  async 'the journal: what isn’t simulated, numbers that are whole, the keyword that is missing'({ page, demo }) {
    const it = await demo()
    const token = await tokenOf(it, OFFICIAL)
    await fetch(`${it.sandbox}/cgi-bin/nobody/knows`, { method: 'POST', body: '{}' })
    await control(it, 'fault', { path: '/datacube/getusersummary', errcode: 61501, times: 1 })
    await fetch(`${it.sandbox}/datacube/getusersummary?access_token=${token}`, { method: 'POST', body: '{}' })
    const data = { first: { value: 'a' }, keyword1: { value: '' }, keyword2: { value: 'b' }, remark: { value: 'c' } }
    await fetch(`${it.sandbox}/cgi-bin/message/template/send?access_token=${token}`, { method: 'POST', body: JSON.stringify({ touser: await openidOf(it, OFFICIAL), template_id: ORDER, data }) })
    await page.goto(`${it.sandbox}/?view=journal`)
    await log(page).getByText('data.keyword1.value is empty', { exact: true }).waitFor()
    await page.getByLabel('路径、appid、错误码').fill('501')
    await log(page).getByRole('button', { name: /nobody\/knows/ }).click()
    assert.equal(await log(page).getByRole('button', { name: /getusersummary/ }).count(), 0, '61501 is another number')
    await log(page).getByText('模拟器没有模拟这个接口').waitFor()
    assert.equal(await log(page).getByText('-1', { exact: true }).count(), 0)
    await log(page).getByRole('button', { name: '模拟的接口' }).click()
    await page.getByText('/cgi-bin/message/template/send', { exact: true }).waitFor()
    await page.goto(`${it.sandbox}/?view=journal`)
    await page.getByLabel('路径、appid、错误码').fill('47003')
    await log(page).getByRole('button', { name: /template\/send/ }).click()
    await log(page).getByText(/^argument invalid! data\.keyword1\.value is empty.* rid: /).waitFor()
  },

  async 'in a narrow window there is one navigation, and the phone fills what it leaves'({ page, demo }) {
    const it = await demo()
    await codeOf(it, OFFICIAL, 'by_thumb')
    await page.setViewportSize({ width: 390, height: 844 })
    await page.goto(it.sandbox)
    await phone(page).waitFor()
    const nav = page.getByRole('navigation')
    assert.equal(await nav.count(), 1)
    assert.equal(await page.getByRole('group', { name: '看哪一块' }).count(), 0)
    const [frame, bar] = [await phone(page).boundingBox(), await nav.boundingBox()]
    assert.ok(bar.y + bar.height === 844 && bar.y - (frame.y + frame.height) <= 12, `${JSON.stringify(frame)} ${JSON.stringify(bar)}`)
    assert.ok((await page.evaluate(() => document.documentElement.scrollHeight)) <= 844, 'nothing to scroll')
    await nav.getByRole('button', { name: '屏幕' }).click()
    await page.getByRole('button', { name: /扫 by_thumb/ }).click()
    await phone(page).getByRole('button', { name: /SCAN → 200/ }).click()
    await log(page).getByText('第 1 次').waitFor()
    assert.equal(await nav.getByRole('button', { name: '记录' }).getAttribute('aria-pressed'), 'true')
    // Back, and by the same chip once more.
    await nav.getByRole('button', { name: '手机' }).click()
    await phone(page).getByRole('button', { name: /SCAN → 200/ }).click()
    await log(page).getByText('第 1 次').waitFor()
  },
}
