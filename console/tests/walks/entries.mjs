// Walks over accounts, callers, routes and messages.
import assert from 'node:assert/strict'

const dialog = (page) => page.getByRole('dialog')
const toast = (page, text) => page.locator('.toast').filter({ hasText: text }).first().waitFor()

/** A picture of what is seen, if pictures are wanted; and what axe finds in it, which is nothing. */
async function seen({ page, look }, name) {
  await page.waitForTimeout(250)
  assert.deepEqual(await look(page, name), [], name)
}

export const entryWalks = {
  async 'an account is tried before it is saved'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/apps')
    await page.getByRole('button', { name: '添加账号' }).click()
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await dialog(page).getByText('必填').first().waitFor()
    await dialog(page).getByLabel('AppID').fill('wx00000000000000a1')
    await dialog(page).getByLabel('AppSecret').fill('a bad one')
    await dialog(page).getByLabel('名称').fill('新账号')
    await dialog(page).getByRole('button', { name: '更多选项' }).click()
    await dialog(page).getByRole('button', { name: '试过再保存' }).click()
    await dialog(page).getByText('AppSecret 不对').waitFor()
    await seen(given, 'app-add')
    await dialog(page).getByLabel('AppSecret').fill('0123456789abcdef')
    await dialog(page).getByRole('button', { name: '试过再保存' }).click()
    await page.waitForURL('**/apps/wx00000000000000a1')
    await page.getByRole('heading', { name: '新账号' }).waitFor()
    await page.getByRole('button', { name: '修改' }).click()
    await dialog(page).getByText('已有一个，不填就不变').first().waitFor()
    assert.ok(await dialog(page).getByRole('button', { name: '保存' }).isDisabled())
    await dialog(page).getByLabel('名称').fill('改了名')
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await page.getByRole('heading', { name: '改了名' }).waitFor()
    await page.getByRole('button', { name: '更多' }).click()
    await seen(given, 'app-menu')
    await page.getByRole('menuitem', { name: '删除' }).click()
    await dialog(page).getByText('AppSecret、Token、EncodingAESKey 从这里抹去').waitFor()
    assert.ok(await dialog(page).getByRole('button', { name: '删除' }).isDisabled())
    await dialog(page).getByRole('textbox').fill('wx00000000000000a1')
    await seen(given, 'app-delete')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/apps')
    await toast(page, '已删除')
  },

  async 'what somebody else changed is not undone'({ page, base, logIn, expectMessages }) {
    const { csrf } = await logIn(page)
    expectMessages(/412/)
    await page.goto(base + '/routes/coupon')
    await page.getByRole('button', { name: '修改' }).click()
    await page.getByLabel('扫码场景值').fill('mine_*')
    await page.context().request.fetch(base + '/api/v1/routes/coupon', { method: 'PATCH', headers: { 'X-Wxgate-Csrf': csrf }, data: { timeout: '7s' } })
    // The page behind the drawer reads it anew meanwhile.
    await page.waitForResponse((answer) => answer.url().endsWith('/routes/coupon') && answer.request().method() === 'GET' && answer.status() === 200)
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await dialog(page).getByText('刚被别人改过').waitFor()
  },

  async 'a caller: its key once, its first call, its rotation, its end'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/callers')
    await page.getByRole('button', { name: '新建调用方' }).click()
    await dialog(page).getByLabel('名称').fill('bill/ing')
    await dialog(page).getByRole('button', { name: '更多选项' }).click()
    await dialog(page).getByLabel('额度').fill('/cgi-bin/message/*')
    await dialog(page).getByRole('button', { name: '更多选项' }).click()
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await dialog(page).getByText('不能有 / 和控制字符').waitFor()
    await dialog(page).getByText('读不懂「/cgi-bin/message/*」').waitFor()
    assert.equal(await dialog(page).getByText('必填').count(), 2, 'who may use what has to be said')
    await seen(given, 'caller-wrong')
    await dialog(page).getByLabel('名称').fill('billing')
    await dialog(page).getByLabel('全部账号').check()
    await dialog(page).getByLabel('全部接口').check()
    await dialog(page).getByLabel('额度').fill('/cgi-bin/message/* = 10000/d')
    const sent = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/callers'))
    await dialog(page).getByRole('button', { name: '保存' }).click()
    const { quotas, apps } = (await sent).postDataJSON()
    assert.deepEqual([quotas, apps], [{ '/cgi-bin/message/*': '10000/d' }, ['*']])
    await page.waitForURL('**/callers/billing')
    const key = await page.locator('.fresh pre').innerText()
    assert.match(key, /^wxk_/)
    assert.ok((await page.locator('.fresh ~ * pre').first().innerText()).includes(key), 'the snippet has the key')
    await page.getByText('等第一次调用').waitFor()
    await seen(given, 'caller-new')
    await page.getByText('收到了').waitFor({ timeout: 30_000 })
    await page.getByRole('button', { name: '已存好，收起' }).click()
    assert.ok(!(await page.content()).includes(key), 'the key is gone')
    for (const name of ['WxJava', 'EasyWeChat', 'silenceper', 'wechatpy', 'co-wechat-api', 'Senparc', 'TOML']) {
      await page.getByRole('tab', { name }).click()
      await page.getByRole('tabpanel').locator('pre').waitFor()
    }
    await seen(given, 'caller-toml')
    await page.getByRole('button', { name: '更换密钥' }).click()
    await dialog(page).getByRole('button', { name: '生成新密钥' }).click()
    await page.getByText('等旧密钥没有人用').waitFor()
    const second = await page.locator('.fresh pre').innerText()
    assert.notEqual(second, key)
    await seen(given, 'caller-rotated')
    await page.getByRole('button', { name: '停用旧的' }).click()
    await dialog(page).getByRole('button', { name: '停用旧的' }).click()
    await toast(page, '旧密钥已停用')
    await page.getByRole('link', { name: '路由' }).first().click()
    await page.getByRole('heading', { name: '消息怎么走' }).waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: 'billing' }).waitFor()
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href, document.documentElement.outerHTML]))
    assert.ok(!kept.includes(second), 'nothing holds the key')
    await page.getByRole('button', { name: '更多' }).click()
    await page.getByRole('menuitem', { name: '吊销' }).click()
    await dialog(page).getByRole('textbox').fill('billing')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/callers')
  },

  async 'callers that show no key, and one whose time is over'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/callers')
    await page.getByRole('row', { name: /pilot/ }).getByText('已过期').waitFor()
    assert.equal(await page.getByRole('row', { name: /anonymous/ }).getByText('不限').count(), 3)
    await page.goto(base + '/callers/anonymous')
    assert.doesNotMatch(await page.getByRole('tabpanel').locator('pre').innerText(), /Bearer/)
    await seen(given, 'caller-anonymous')
    await page.goto(base + '/callers/pilot')
    await page.getByText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/).first().waitFor()
    assert.equal(await page.getByText('等第一次调用').count(), 0)
    await seen(given, 'caller-expired')
  },

  async 'a route that is tried once'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/routes/coupon')
    await page.getByRole('button', { name: '修改' }).click()
    await dialog(page).getByRole('button', { name: '更多选项' }).click()
    await dialog(page).getByLabel('不重试').check()
    await seen(given, 'route-once')
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await page.getByText('不重试：一次没投到就成为死信').waitFor()
  },

  async 'a route that keeps order, or replies, and late at that: never both'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/routes/coupon?open=edit')
    const [ordered, late] = ['同一用户的消息逐条按序投递', '超时的回复改用客服消息发出'].map((name) => dialog(page).getByLabel(name))
    assert.equal(await late.count(), 0)
    await ordered.check()
    await dialog(page).getByLabel('被动回复', { exact: true }).selectOption('true')
    await dialog(page).getByText('不能与被动回复同用：').waitFor()
    assert.equal(await ordered.getAttribute('aria-invalid'), 'true')
    await late.check()
    await ordered.scrollIntoViewIfNeeded()
    await seen(given, 'route-ordered-reply')
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-invalid') === 'true')
    await ordered.uncheck()
    const sent = page.waitForRequest((request) => request.method() === 'PATCH')
    await dialog(page).getByRole('button', { name: '保存' }).click()
    assert.deepEqual((await sent).postDataJSON(), { reply: true, late_reply: 'custom' })
    await page.getByText('超时的改发客服消息').waitFor()
    await page.getByRole('button', { name: '修改' }).click()
    await dialog(page).getByLabel('被动回复', { exact: true }).selectOption('false')
    await ordered.check()
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await page.getByText('同一用户逐条按序').waitFor()
    assert.equal(await page.getByText('超时的改发客服消息').count(), 0)
  },

  async 'a caller that may answer users'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/callers/shop?open=edit')
    await dialog(page).getByRole('button', { name: '更多选项' }).click()
    await dialog(page).getByLabel('可以从事件流给出被动回复').check()
    await seen(given, 'caller-may-reply')
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await page.locator('dl > div', { hasText: '可以从事件流回复用户' }).getByText('可以', { exact: true }).waitFor()
  },

  async 'a backend that is left alone, and messages in line'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/routes')
    await page.getByRole('row', { name: /crm/ }).getByText('暂停投递·试探中').waitFor()
    await page.goto(base + '/routes/crm')
    await page.getByText('后端连续失败 7 次').waitFor()
    await page.goto(base + '/events?route=audit-log&status=pending')
    await page.locator('.row-link').nth(2).waitFor()
    await page.locator('.row-link').first().click()
    const lane = page.locator('.lane', { hasText: 'audit-log' })
    await lane.getByText('排队，等同一用户的前一条').waitFor()
    assert.equal(await lane.getByText(/第 \d+ 次/).count(), 0)
    await seen(given, 'event-in-line')
    await page.goBack()
    await page.locator('.row-link').nth(2).click()
    await lane.getByText(/\d:\d\d 后第 2 次/).waitFor()
  },

  async 'without a public address'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/apps')
    await page.getByRole('button', { name: '添加账号' }).first().click()
    await dialog(page).getByLabel('AppID').fill('wx00000000000000a1')
    await dialog(page).getByLabel('AppSecret').fill('0123456789abcdef')
    await dialog(page).getByRole('button', { name: '试过再保存' }).click()
    await page.getByText('先在配置里设 server.public_url').waitFor()
    assert.equal(await page.getByRole('group', { name: '服务器地址（URL）' }).count(), 0)
    await page.goto(base + '/callers?open=add')
    await dialog(page).getByLabel('名称').fill('shop')
    await dialog(page).getByLabel('全部账号').check()
    await dialog(page).getByLabel('全部接口').check()
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await page.getByText('把 http://127.0.0.1:37112 换成你的 wxgate 调用地址').waitFor()
    await page.getByText("curl -s 'http://127.0.0.1:37112/").waitFor()
    await seen(given, 'caller-local')
  },

  async 'what stands in a file is given as TOML'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/routes/audit-log')
    assert.equal(await page.getByRole('button', { name: '暂停' }).count(), 0)
    await page.getByRole('button', { name: '修改' }).click()
    assert.equal(await dialog(page).getByRole('button', { name: '保存' }).count(), 0)
    await page.getByLabel('消息、事件').fill('SCAN\nsubscribe')
    assert.match(await dialog(page).locator('pre').innerText(), /\[\[routes\]\]\nname = "audit-log"[\s\S]*events = \["SCAN", "subscribe"\][\s\S]*# secret: /)
    await seen(given, 'route-file')
    await dialog(page).getByRole('button', { name: '重新读取配置文件' }).click()
    await toast(page, '已重新读取')
  },

  async 'routes: order, pause and undo, probe, what a node has to do with'(given) {
    const { page, base, logIn, expectMessages } = given
    expectMessages(/422/)
    await logIn(page)
    await page.goto(base + '/routes')
    const names = () => page.locator('tbody .name a').allInnerTexts()
    await page.getByRole('button', { name: '调整次序' }).click()
    await page.getByRole('button', { name: 'crm 上移' }).focus()
    await page.keyboard.press('Enter')
    assert.deepEqual((await names()).slice(0, 2), ['crm', 'shop'])
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'crm 上移')
    await seen(given, 'routes-order')
    await page.getByRole('button', { name: '保存次序' }).click()
    await toast(page, '次序已保存')
    await page.locator('.toast').getByRole('button', { name: '撤销' }).click()
    await page.waitForFunction(() => document.querySelector('tbody .name a')?.textContent === 'shop')
    await page.getByRole('button', { name: '暂停 shop' }).click()
    await page.locator('tbody tr').first().getByText('已暂停').waitFor()
    await page.locator('.toast').filter({ hasText: 'shop 已暂停' }).getByRole('button', { name: '撤销' }).click()
    await page.locator('tbody tr').first().getByText('正常').waitFor()
    await page.getByRole('button', { name: '探一下 crm' }).click()
    await toast(page, 'crm 没通')
    await page.getByRole('button', { name: 'tag:shop' }).click()
    await page.waitForURL(/via=/)
    assert.deepEqual(await names(), ['shop'])
    await seen(given, 'routes-via')
    await page.goBack()
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length > 4)
    await page.getByRole('button', { name: '添加路由' }).click()
    await dialog(page).getByLabel('名称').fill('local')
    await page.getByLabel('后端地址').fill('http://127.0.0.1:1/')
    await page.getByLabel('格式').selectOption('json')
    await dialog(page).getByRole('button', { name: '生成' }).click()
    await dialog(page).getByRole('button', { name: '保存' }).click()
    await dialog(page).getByText('不能是本机').waitFor()
    await seen(given, 'route-add')
  },

  async 'a message is tried, and the link gives the same'({ page, base, logIn }) {
    await logIn(page)
    await page.goto(base + '/routes/test')
    await page.getByLabel('事件名').fill('SCAN')
    await page.getByLabel('场景值').fill('login_1')
    await page.keyboard.press('Enter')
    await page.getByText('3 条路由会收到').waitFor()
    const url = page.url()
    await page.goto(base)
    await page.goto(url)
    await page.getByText('3 条路由会收到').waitFor()
    assert.equal(await page.getByLabel('场景值').inputValue(), 'login_1')
  },

  async 'a message: its attempts, its request, why these routes, back to the same rows'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/events?event=SCAN&route=crm&status=pending')
    await page.locator('.row-link').first().click()
    await page.waitForURL(/\/events\/\d+$/)
    await page.getByRole('button', { name: /第 1 次/ }).nth(1).click()
    await page.waitForURL(/attempt=crm\.1/)
    await page.getByRole('tabpanel').getByText('HTTP/1.1 502 Bad Gateway').waitFor()
    await page.getByRole('tab', { name: '发出的请求' }).click()
    await page.getByRole('tabpanel').getByText('x-wxgate-attempt: 1').waitFor()
    await page.getByRole('button', { name: '为什么走这些路由' }).click()
    await dialog(page).getByText('会收到').first().waitFor()
    await seen(given, 'event-why')
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: '消息与事件' }).first().click()
    await page.waitForURL('**/events')
  },

  async 'live rows wait while it is paused'({ page, base, logIn }) {
    await logIn(page)
    await page.goto(base + '/events')
    const first = () => page.locator('.row-link').first().getAttribute('href')
    await page.locator('.row-link').first().waitFor()
    const before = await first()
    await page.waitForFunction((old) => document.querySelector('.row-link')?.getAttribute('href') !== old, before)
    await page.getByRole('button', { name: '暂停' }).click()
    await page.waitForURL(/live=off/)
    const paused = await first()
    await page.getByRole('button', { name: /有 \d+ 条新的/ }).waitFor()
    assert.equal(await first(), paused)
    await page.getByRole('button', { name: /有 \d+ 条新的/ }).click()
    await page.waitForFunction((old) => document.querySelector('.row-link')?.getAttribute('href') !== old, paused)
  },

  async 'dead letters of one group'({ page, base, logIn }) {
    await logIn(page)
    await page.goto(base + '/dead')
    await page.locator('.groups').getByRole('link', { name: 'kefu' }).click()
    await page.waitForURL(/route=kefu/)
    await page.waitForFunction(() => [...document.querySelectorAll('.list tbody td:nth-child(2)')].every((cell) => cell.textContent.includes('kefu')))
  },
}
