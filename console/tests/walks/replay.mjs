// Walks over dead letters that are replayed, and the jobs that do so.
import assert from 'node:assert/strict'

const dialog = (page) => page.getByRole('dialog')
const number = (text) => Number(/[\d,]+/.exec(text)[0].replaceAll(',', ''))
const planned = async (page) => number(await dialog(page).getByText(/条，最早|the oldest of/).innerText())

async function seen({ page, look }, name) {
  await page.waitForTimeout(250)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  assert.ok(wide <= 0, `${name}: ${wide} px too wide`)
  assert.deepEqual(await look(page, name), [], name)
}

export const replayWalks = {
  async 'replay: counted, one tried, the rest replayed, stopped'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/dead')
    const open = page.getByRole('button', { name: /重放 crm（HTTP 502）/ })
    await open.focus()
    await page.keyboard.press('Enter')
    const before = await planned(page)
    assert.ok(before > 10)
    assert.ok(await page.evaluate(() => document.activeElement.closest('[role=dialog]') !== null), 'the focus is in the dialog')
    await page.keyboard.press('Escape')
    await dialog(page).waitFor({ state: 'detached' })
    assert.ok(await open.evaluate((button) => button === document.activeElement), 'the focus is where it was')
    await open.click()
    assert.equal(await planned(page), before)
    await dialog(page).getByLabel('每秒最多几条').fill('5000')
    await dialog(page).getByText('填 1 到 1000 的整数').waitFor()
    assert.ok(await dialog(page).getByRole('button', { name: /重放 \d+ 条/ }).isDisabled())
    await dialog(page).getByLabel('每秒最多几条').fill('10')
    await seen(given, 'replay-plan')
    await dialog(page).getByRole('button', { name: '先试 1 条' }).click()
    await dialog(page).getByText(/送到了：HTTP 200/).waitFor()
    await dialog(page).getByRole('button', { name: `重放其余 ${before - 1} 条` }).waitFor()
    await seen(given, 'replay-tried')
    await dialog(page).getByRole('button', { name: `重放其余 ${before - 1} 条` }).click()
    await page.waitForURL(/\/jobs\/\d+$/)
    await page.locator('.tag', { hasText: '进行中' }).waitFor()
    const told = async () => number((await page.getByRole('progressbar').getAttribute('aria-valuetext')).split('/')[0])
    await page.waitForFunction(() => Number(document.querySelector('[role=progressbar]').getAttribute('aria-valuenow')) > 5)
    await seen(given, 'job-running')
    const [was, address] = [await told(), page.url()]
    await page.reload()
    await page.locator('.tag', { hasText: '进行中' }).waitFor()
    assert.equal(page.url(), address)
    assert.ok((await told()) >= was)
    await page.getByRole('button', { name: '停止' }).click()
    await page.locator('main .tag', { hasText: '已停' }).waitFor()
    await page.getByText(/停的时候有 \d+ 条没重放/).waitFor()
    await seen(given, 'job-stopped')
    await page.getByRole('link', { name: /看没成的死信|看死信/ }).click()
    await page.waitForURL(/\/dead\?route=crm/)
    await page.locator('.groups tbody tr').first().waitFor()
    await page.getByRole('link', { name: '任务' }).first().click()
    await page.waitForURL('**/jobs')
    await page.getByText('批量发送 12').waitFor()
    await seen(given, 'jobs')
  },

  async 'replay: all that is shown, to its end'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/dead?route=kefu')
    await page.getByRole('button', { name: '重放全部' }).click()
    const n = await planned(page)
    await dialog(page).getByRole('button', { name: '先试 1 条' }).click()
    await dialog(page).getByText(/没送到/).waitFor()
    await dialog(page).getByRole('button', { name: '再试 1 条' }).waitFor()
    await seen(given, 'replay-failed')
    await dialog(page).getByRole('button', { name: `重放 ${n} 条` }).click()
    await page.waitForURL(/\/jobs\/\d+$/)
    await page.locator('.tag', { hasText: `完成，${n} 条没成` }).waitFor()
    await seen(given, 'job-failed')
    await page.getByRole('link', { name: '看没成的死信' }).click()
    await page.waitForURL(/\/dead\?route=kefu/)
  },

  async 'replay: what messages a filter shows'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    await page.goto(base + '/events?event=SCAN&route=shop&live=off')
    await page.getByRole('button', { name: '重放符合条件的' }).click()
    await dialog(page).getByText('没有可以重放的').waitFor()
    await dialog(page).getByRole('button', { name: '已投递' }).click()
    assert.ok((await planned(page)) > 50, 'more than a page')
    await seen(given, 'replay-matching')
    await dialog(page).getByLabel('每秒最多几条').fill('1000')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/jobs\/\d+$/)
    await page.locator('.tag', { hasText: /完成/ }).waitFor()
    await page.goto(base + '/events?status=pending')
    await page.locator('main h1').waitFor()
    assert.equal(await page.getByRole('button', { name: '重放符合条件的' }).count(), 0)
  },

  async 'replay: narrow and wide, light and dark, in both languages'(given) {
    const { page, base, logIn } = given
    await logIn(page)
    for (const lang of ['zh', 'en']) {
      for (const [theme, width] of [['light', 390], ['dark', 390], ['light', 1440], ['dark', 1440]]) {
        await page.evaluate(([lang, theme]) => localStorage.setItem('wxgate.prefs', JSON.stringify({ lang, theme })), [lang, theme])
        await page.setViewportSize({ width, height: width < 768 ? 844 : 900 })
        await page.goto(base + '/dead')
        const open = page.getByRole('button', { name: /重放 .*（|Replay .* \(/ }).last()
        await open.waitFor()
        await seen(given, `look-dead-${lang}-${theme}-${width}`)
        await open.click()
        await planned(page)
        await dialog(page).getByRole('button', { name: /先试 1 条|Try one first/ }).click()
        await dialog(page).getByText(/没送到|Not delivered/).waitFor()
        await seen(given, `look-replay-${lang}-${theme}-${width}`)
        for (const path of ['/jobs', '/jobs/12', '/jobs/11', '/jobs/10']) {
          await page.goto(base + path)
          await page.getByRole('progressbar').first().waitFor()
          await seen(given, `look${path.replaceAll('/', '-')}-${lang}-${theme}-${width}`)
        }
      }
    }
  },

  async 'replay: a viewer looks on, and a job that is no more is said to be so'({ page, base, logIn }) {
    await logIn(page, 'viewer')
    await page.goto(base + '/dead')
    await page.locator('.groups tbody tr').first().waitFor()
    for (const path of ['/dead', '/jobs', '/jobs/12', '/events']) {
      await page.goto(base + path)
      await page.locator('main h1').first().waitFor()
      assert.equal(await page.getByRole('button', { name: /重放|停止/ }).count(), 0, path)
    }
    await page.goto(base + '/jobs/999')
    await page.getByText('没有这个任务').waitFor()
  },
}
