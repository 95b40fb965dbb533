// The real gateway and a receiver that answers 403 until it is mended (502 would have it left alone, and the letters would wait):
// lanes, dead letters, their replay, its job.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'

/** More than a page of a list. */
const MESSAGES = 64

/** A backend that answers `status`, and keeps the ids of what it took. */
function receiver() {
  const it = { status: 403, taken: new Set() }
  const server = createServer((asked, answer) => {
    asked.resume()
    asked.on('end', () => {
      if (it.status === 200) it.taken.add(asked.headers['webhook-id'])
      answer.writeHead(it.status)
      answer.end()
    })
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(Object.assign(it, { url: `http://127.0.0.1:${server.address().port}/`, end: () => { server.closeAllConnections(); server.close() } }))))
}

const dialog = (page) => page.getByRole('dialog')
const number = (text) => Number(/[\d,]+/.exec(text)[0].replaceAll(',', ''))
const planned = async (page) => number(await dialog(page).getByText(/条，最早/).innerText())

export const replayedWalks = ({ enter, asks, post, OFFICIAL }) => {
  /** Whether this gateway can replay; if not, that is said. */
  async function can(page, it) {
    const asked = await asks(page, it, 'POST', 'replay', { filter: { status: 'dead' }, dry_run: true })
    if (asked.status() !== 404) return true
    console.log('skipped: this gateway has no POST /api/v1/replay')
    return false
  }

  async function fail(page, it, backend) {
    const route = { name: 'crm', target: backend.url, format: 'json', secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`, retry: ['6s'], concurrency: 32 }
    const made = await asks(page, it, 'POST', 'routes', route)
    assert.equal(made.status(), 201, await made.text())
    const users = []
    for (let n = 0; n < 8; n++) users.push((await (await post(`${it.sandbox}/sandbox/users`, {})).json()).openids[OFFICIAL])
    for (let n = 0; n < MESSAGES; n++) await post(`${it.sandbox}/sandbox/message`, { appid: OFFICIAL, openid: users[n % users.length], text: `message ${n}` })
  }

  async function lanes(page, it) {
    await page.goto(`${it.base}/events`)
    await page.locator('.row-link').first().click()
    await page.waitForURL(/\/events\/\d+/)
    const lane = page.locator('.lane', { hasText: 'crm' })
    await lane.getByText('403').first().waitFor()
    await lane.getByText(/\d:\d\d 后第 2 次/).waitFor()
    await lane.getByText('重试已用尽').waitFor({ timeout: 120_000 })
  }

  return {
    async 'a receiver that answers 403: lanes, countdown, dead letters; replayed all of them, over pages, a reload and a stop'({ page, demo, look }) {
      const it = await demo()
      await enter(page, it)
      if (!(await can(page, it))) return
      const backend = await receiver()
      try {
        await fail(page, it, backend)
        await lanes(page, it)
        await page.goto(`${it.base}/dead?route=crm`)
        await page.locator('.groups').getByText(String(MESSAGES), { exact: true }).waitFor({ timeout: 120_000 })
        backend.status = 200
        await page.getByRole('button', { name: /重放 crm（HTTP 403）/ }).click()
        assert.equal(await planned(page), MESSAGES)
        await dialog(page).getByRole('button', { name: '先试 1 条' }).click()
        await dialog(page).getByText('送到了：HTTP 200').waitFor()
        assert.equal(backend.taken.size, 1)
        await dialog(page).getByLabel('每秒最多几条').fill('4')
        await dialog(page).getByRole('button', { name: `重放其余 ${MESSAGES - 1} 条` }).click()
        await page.waitForURL(/\/jobs\//)
        const address = page.url()
        await page.waitForFunction(() => Number(document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')) > 3)
        assert.deepEqual(await look(page, 'real-job'), [])
        await page.reload()
        await page.locator('main .tag', { hasText: '进行中' }).waitFor()
        assert.equal(page.url(), address)
        await page.getByRole('button', { name: '停止' }).click()
        await page.locator('main .tag', { hasText: '已停' }).waitFor()
        const stopped = backend.taken.size
        await page.waitForTimeout(3000)
        assert.ok(backend.taken.size < MESSAGES && backend.taken.size <= stopped + 4, `it goes on after the stop: ${stopped}, ${backend.taken.size}`)
        const left = MESSAGES - backend.taken.size
        await page.goto(`${it.base}/dead?route=crm`)
        await page.getByRole('button', { name: '重放全部' }).click()
        assert.equal(await planned(page), left)
        await dialog(page).getByLabel('每秒最多几条').fill('1000')
        await dialog(page).getByRole('button', { name: `重放 ${left} 条` }).click()
        await page.locator('main .tag', { hasText: '完成' }).waitFor()
        assert.equal(await page.getByRole('progressbar').getAttribute('aria-valuetext'), `${left} / ${left}`)
        assert.equal(backend.taken.size, MESSAGES, 'every one of them, once')
        assert.equal((await (await page.request.get(`${it.base}/api/v1/deliveries/groups?status=dead&route=crm`)).json()).items.length, 0)
        for (const [lang, width] of [['zh', 390], ['en', 1440]]) {
          await page.evaluate((lang) => localStorage.setItem('wxgate.prefs', JSON.stringify({ lang, theme: lang === 'zh' ? 'light' : 'dark' })), lang)
          await page.setViewportSize({ width, height: 900 })
          for (const path of ['/jobs', new URL(address).pathname]) {
            await page.goto(it.base + path)
            await page.getByRole('progressbar').first().waitFor()
            assert.deepEqual(await look(page, `real${path.replaceAll('/', '-')}-${width}`), [])
          }
        }
      } finally {
        backend.end()
      }
    },
  }
}
