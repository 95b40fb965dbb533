// Walks through the built console in a real browser, against the mock, as people would: set up, log in, keys, search,
// drawers, languages, a session that ends, a gateway that falls silent. `node tests/walk.mjs [--dist DIR] [--port N]
// [--only WORDS] [--out DIR]`, which takes pictures on the way.
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { entryWalks } from './walks/entries.mjs'
import { run, startMock } from './walks/harness.mjs'
import { replayWalks } from './walks/replay.mjs'

const { values: flags } = parseArgs({ options: { port: { type: 'string', default: '4185' }, dist: { type: 'string', default: new URL('../dist', import.meta.url).pathname }, only: { type: 'string', default: '' }, out: { type: 'string', default: '' } } })
const base = `http://127.0.0.1:${flags.port}`

const walks = {
  async 'first set-up'({ page }) {
    await page.goto(base)
    await page.waitForURL('**/setup')
    await page.getByLabel('设置码').fill('000000')
    await page.getByLabel('密码', { exact: true }).fill('short')
    await page.getByLabel('再输一次').fill('short')
    await page.getByRole('button', { name: '设好并进入' }).click()
    await page.getByText('至少 10 个字符').waitFor()
    await page.getByLabel('密码', { exact: true }).fill('long enough words')
    await page.getByLabel('再输一次').fill('long enough words')
    await page.getByRole('button', { name: '设好并进入' }).click()
    await page.getByRole('alert').getByText('设置码不对').waitFor()
    await page.getByLabel('设置码').fill('123456')
    await page.getByRole('button', { name: '设好并进入' }).click()
    await page.getByRole('heading', { name: '概览' }).waitFor()
    await page.goto(base + '/setup')
    await page.getByRole('heading', { name: '概览' }).waitFor()
  },

  async 'log in and go where one wanted to'({ page }) {
    await page.goto(base + '/audit?actor=wang.lei')
    await page.waitForURL('**/login?next=**')
    await page.getByLabel('用户名').fill('admin')
    await page.getByLabel('密码').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('用户名或密码不对').waitFor()
    await page.getByLabel('密码').fill('console-admin')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/audit?actor=wang.lei')
    await page.getByRole('cell', { name: 'wang.lei' }).first().waitFor()
    assert.equal(await page.getByRole('cell', { name: 'admin', exact: true }).count(), 0)
  },

  async 'the link that works once'({ page }) {
    await page.goto(base + '/login#once=demo')
    await page.getByRole('heading', { name: '概览' }).waitFor()
    assert.equal(page.url(), base + '/')
    // Only the blank page it began with lies before it: the link is not in the history.
    assert.equal(await page.evaluate(() => history.length), 2)
    await page.context().clearCookies()
    await page.goto(base + '/login#once=used')
    await page.getByText('链接只能用一次').waitFor()
  },

  async 'keys, search and drawers'({ page }) {
    await logIn(page)
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: '快捷键' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('g')
    await page.keyboard.press('d')
    await page.waitForURL('**/dead')
    await page.keyboard.press('/')
    await page.getByRole('combobox').fill('40164')
    await page.getByRole('option').first().waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL('**/errors/40164')
    await page.goto(base + '/audit')
    await page.locator('.row-link').first().waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    assert.match(page.url(), /open=\d+/)
    await page.goBack()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    assert.equal(page.url(), base + '/audit')
    await page.getByRole('button', { name: '更早' }).click()
    await page.waitForURL(/cursor=/)
    await page.getByRole('button', { name: '更新的' }).click()
    await page.waitForURL((url) => !url.search.includes('cursor'))
  },

  async 'filters and ranges stand in the address'({ page }) {
    await logIn(page)
    await page.getByRole('button', { name: '6 小时' }).click()
    await page.waitForURL('**/?range=6h')
    await page.getByRole('button', { name: '固定时间' }).click()
    await page.waitForURL(/from=\d+&to=\d+/)
    await page.goBack()
    await page.waitForURL('**/?range=6h')
    assert.equal(await page.getByRole('button', { name: '6 小时' }).getAttribute('aria-pressed'), 'true')
    await page.goto(base + '/errors')
    await page.getByRole('searchbox').fill('白名单')
    await page.waitForURL(/q=/)
    await page.getByRole('link', { name: '40164' }).waitFor()
    await page.getByRole('searchbox').fill('nothing like this')
    await page.getByText('没有符合条件的').waitFor()
    await page.getByRole('link', { name: '清空条件' }).click()
    await page.getByRole('link', { name: '40164' }).waitFor()
  },

  async 'languages, themes and copying without a secure page'({ page }) {
    await page.addInitScript(() => {
      Object.defineProperty(navigator, 'clipboard', { value: undefined })
      document.addEventListener('copy', () => (window.copied = getSelection().toString()))
    })
    await logIn(page)
    await page.getByRole('button', { name: '复制' }).first().click()
    await page.getByRole('button', { name: '已复制' }).waitFor()
    assert.equal(await page.evaluate(() => window.copied), '203.0.113.47')
    await page.getByRole('button', { name: /当前用户/ }).click()
    await page.getByRole('menuitemradio', { name: '深色' }).click()
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
    await page.getByRole('menuitemradio', { name: 'English' }).click()
    await page.keyboard.press('Escape')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.getByText('WeChat refuses the new egress IP').waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
  },

  async 'a problem is checked and muted'({ page }) {
    await logIn(page)
    await page.getByRole('button', { name: '静音 1 小时' }).last().click()
    await page.getByText(/静音中/).waitFor()
    await page.getByRole('button', { name: '重新检测' }).click()
    await page.getByRole('button', { name: '重新检测' }).click().catch(() => {})
    await page.getByRole('button', { name: '重新检测' }).waitFor({ state: 'detached' })
  },

  async 'a viewer changes nothing'({ page }) {
    await logIn(page, 'viewer')
    await page.getByText('只读').waitFor()
    for (const path of ['/', '/errors', '/audit', '/alerts', '/quota', '/settings', '/settings/config', '/settings/store', '/apps', '/callers', '/routes', '/events', '/dead', '/refused', '/jobs']) {
      await page.goto(base + path)
      await page.locator('main h1').first().waitFor()
      await page.waitForTimeout(400)
      assert.equal(await page.locator('main .btn.pri, main .btn.danger').count(), 0, path)
      assert.equal(await page.getByRole('button', { name: /静音|重新检测|添加|加通道|加用户|删除|重新读取|下载备份/ }).count(), 0, path)
    }
  },

  async 'a session that ends leads to the login and back'({ page, context, expectMessages }) {
    await logIn(page)
    await page.goto(base + '/quota')
    await page.getByRole('heading', { name: '配额' }).waitFor()
    expectMessages(/401/)
    await context.clearCookies()
    await page.getByRole('link', { name: '审计' }).click()
    await page.waitForURL('**/login?next=/audit')
  },

  async 'what opens over the page is for everybody'({ page, look }) {
    await logIn(page)
    const open = {
      search: async () => { await page.keyboard.press('/'); await page.getByRole('combobox').fill('crm'); await page.getByRole('option').first().waitFor() },
      keys: () => page.keyboard.press('?'),
      menu: () => page.getByRole('button', { name: /当前用户/ }).click(),
      range: () => page.getByRole('button', { name: '自定义' }).click(),
      table: () => page.getByRole('button', { name: '看数据表' }).first().click(),
    }
    for (const [name, act] of Object.entries(open)) {
      await act()
      await page.waitForTimeout(200)
      assert.deepEqual(await look(page, `over-${name}`), [], name)
      await page.keyboard.press('Escape')
      await page.waitForTimeout(200)
    }
    for (const [path, button] of [['/alerts?tab=channels', '加通道'], ['/alerts?tab=channels', '删除'], ['/settings/users', '加用户'], ['/settings/users', '删除'], ['/settings', '改密码'], ['/settings', '结束我的所有会话'], ['/quota', '查一个接口']]) {
      await page.goto(base + path)
      await page.getByRole('button', { name: button }).last().click()
      await page.getByRole('dialog').waitFor()
      await page.waitForTimeout(200)
      assert.deepEqual(await look(page, `over${path.replaceAll(/\W/g, '-')}-${button}`), [], `${path} ${button}`)
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
    }
  },

  async 'channels and users are made, changed and taken away'({ page, expectMessages }) {
    await logIn(page)
    expectMessages(/status of 422/)
    await page.goto(base + '/alerts?tab=channels')
    await page.getByRole('button', { name: '加通道' }).click()
    await page.getByRole('button', { name: '保存' }).click()
    assert.equal(await page.getByRole('dialog').getByText('必填').count(), 2)
    await page.getByLabel('名字').fill('值班群')
    await page.getByLabel('发到哪里').selectOption('bark')
    await page.getByLabel('地址').fill('https://api.day.app/abc')
    await page.getByRole('button', { name: '保存' }).click()
    await page.getByRole('heading', { name: '值班群' }).waitFor()
    await page.getByRole('button', { name: '发一条测试' }).nth(1).click()
    await page.getByText(/oncall 没发成/).last().waitFor()
    await page.getByRole('button', { name: '删除' }).last().click()
    const sure = page.getByRole('dialog').getByRole('button', { name: '删除' })
    assert.ok(await sure.isDisabled())
    await page.getByLabel(/输入 值班群 确认/).fill('值班群')
    await sure.click()
    await page.getByRole('heading', { name: '值班群' }).waitFor({ state: 'detached' })
    await page.goto(base + '/settings/users')
    await page.getByRole('button', { name: '加用户' }).click()
    await page.getByRole('button', { name: '添加' }).click()
    assert.equal(await page.getByRole('dialog').getByText('必填').count(), 2)
    await page.getByLabel('用户名').fill('li.na')
    await page.getByLabel('密码').fill('long enough words')
    await page.getByRole('button', { name: '添加' }).click()
    await page.getByText('li.na', { exact: true }).waitFor()
    await page.getByLabel('角色: li.na').selectOption('admin')
    await page.getByText('li.na 现在是管理员').last().waitFor()
  },

  async 'a gateway that comes back is found again'({ page, context, expectMessages }) {
    await logIn(page)
    expectMessages(/./)
    await context.route('**/api/**', (route) => route.abort())
    await page.goto(base + '/quota')
    await page.getByText(/连不上网关/).first().waitFor()
    await page.locator('header .tag[role=status]').filter({ hasText: '已停' }).waitFor()
    await context.unroute('**/api/**')
    await page.getByText('/cgi-bin/user/info').waitFor({ timeout: 20_000 })
    await page.locator('header .tag[role=status]').filter({ hasText: '实时' }).waitFor({ timeout: 20_000 })
  },

  async 'the chip tells the truth'({ page, mock, expectMessages }) {
    await logIn(page)
    const chip = page.locator('header .tag[role=status]')
    const says = (word) => chip.filter({ hasText: word }).waitFor({ timeout: 60_000 })
    await says('实时')
    expectMessages(/./)
    mock.kill('SIGSTOP')
    await says('已停')
    mock.kill('SIGCONT')
    await says('实时')
  },

  ...entryWalks,
  ...replayWalks,
}

async function logIn(page, user = 'admin') {
  const answer = await page.context().request.post(base + '/api/v1/session', { data: { name: user, password: `console-${user}` } })
  assert.ok(answer.ok())
  await page.goto(base)
  await page.getByRole('heading', { level: 1 }).first().waitFor()
  return answer.json()
}

await run(walks, {
  ...flags,
  allowed: /status of (401|404|403) .*/,
  begin: async (name) => {
    const mock = await startMock(flags, ...(name === 'first set-up' ? ['--setup'] : name === 'without a public address' ? ['--empty'] : []))
    return { given: { mock, base, logIn }, end: () => mock.kill() }
  },
})
