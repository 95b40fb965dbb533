// The real gateway under conditions: a proxy that holds streams back, a user who zooms, has colours of his own or no mouse,
// and an address that is passed on.
import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'

/** A proxy that sends an answer on when it has all of it, as nginx does by default. */
function buffering(target) {
  const server = createServer((asked, answer) => {
    const passed = request(target + asked.url, { method: asked.method, headers: asked.headers }, (got) => {
      const pieces = []
      got.on('data', (piece) => pieces.push(piece))
      got.on('end', () => {
        answer.writeHead(got.statusCode, got.headers)
        answer.end(Buffer.concat(pieces))
      })
    })
    passed.on('error', () => answer.destroy())
    answer.on('close', () => passed.destroy())
    asked.pipe(passed)
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

const rows = (page) => page.locator('main table tbody tr, main .cards > *').allInnerTexts()

async function tooWide(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}

export const conditionWalks = ({ enter, post, OFFICIAL, PAGES }) => {
  const says = async (it, openid, text) => post(`${it.sandbox}/sandbox/message`, { appid: OFFICIAL, openid, text })
  const user = async (it) => (await (await post(`${it.sandbox}/sandbox/users`, {})).json()).openids[OFFICIAL]

  return {
    async 'a filtered address shows the same rows elsewhere, and Back goes back to them'({ page, context, demo }) {
      const it = await demo()
      await enter(page, it)
      const [one, other] = [await user(it), await user(it)]
      for (const text of ['1', '2', '3']) await says(it, one, text)
      await says(it, other, 'x')
      await page.goto(`${it.base}/events?openid=${one}`)
      await page.locator('main tbody tr').nth(2).waitFor()
      assert.equal((await rows(page)).length, 3)
      const elsewhere = await context.newPage()
      await elsewhere.goto(page.url())
      await elsewhere.locator('main tbody tr').nth(2).waitFor()
      // Of a time it says how long ago it was.
      const same = (all) => all.map((row) => row.replace(/\d+ ?(秒|分钟)前|刚刚/g, ''))
      assert.deepEqual(same(await rows(elsewhere)), same(await rows(page)))
      await elsewhere.close()
      const address = page.url()
      await page.locator('main tbody tr').nth(1).click()
      await page.waitForURL(/\/events\/\d+/)
      await page.goBack()
      await page.waitForURL(address)
      await page.locator('main tbody tr').nth(2).waitFor()
      assert.equal((await rows(page)).length, 3)
    },

    async 'behind a proxy that holds streams back it says so, and shows what is new all the same'({ page, demo, expectMessages }) {
      const it = await demo()
      const proxy = await buffering(it.base)
      const base = `http://127.0.0.1:${proxy.address().port}`
      expectMessages(/./)
      try {
        await enter(page, { ...it, base, link: it.link.replace(it.base, base) })
        await page.goto(`${base}/events`)
        await page.locator('header .tag[role=status]').filter({ hasText: '轮询' }).waitFor({ timeout: 60_000 })
        const openid = await user(it)
        await says(it, openid, 'hello')
        await page.locator('main tbody tr').first().waitFor({ timeout: 30_000 })
      } finally {
        proxy.closeAllConnections()
        proxy.close()
      }
    },

    async 'zoomed to 200 %, and in colours of one\'s own'({ page, demo, look }) {
      const it = await demo()
      await enter(page, it)
      await says(it, await user(it), 'hello')
      const wrong = []
      // 1440 by 900 at 200 % is so many of the page's own pixels.
      await page.setViewportSize({ width: 720, height: 450 })
      for (const forcedColors of ['none', 'active']) {
        await page.emulateMedia({ forcedColors, reducedMotion: 'reduce' })
        for (const path of PAGES) {
          await page.goto(it.base + path)
          await page.locator('main h1').first().waitFor()
          await page.waitForTimeout(300)
          const wide = await tooWide(page)
          if (wide > 0) wrong.push(`${path} ${forcedColors}: ${wide} px too wide`)
          for (const found of await look(page, `zoom-${forcedColors}${path.replaceAll('/', '_')}`)) wrong.push(`${path} ${forcedColors}: ${found}`)
        }
      }
      assert.deepEqual(wrong, [])
    },

    async 'a caller is made, opened and deleted without a mouse'({ page, demo }) {
      const it = await demo()
      await enter(page, it)
      const focused = () => page.evaluate(() => (document.activeElement?.innerText || document.activeElement?.getAttribute('aria-label') || '').trim())
      /** Goes on with Tab until what `wanted` names has the focus, which must be seen. */
      const tabTo = async (wanted) => {
        for (let n = 0; n < 60; n++) {
          await page.keyboard.press('Tab')
          if (wanted.test(await focused())) {
            const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).boxShadow)
            assert.notEqual(ring, 'nonenone', `the focus on ${wanted} is seen`)
            return
          }
        }
        throw new Error(`Tab never comes to ${wanted}`)
      }
      await page.keyboard.press('g')
      await page.keyboard.press('c')
      await page.waitForURL('**/callers')
      await page.locator('main h1').first().waitFor()
      await tabTo(/新建调用方/)
      await page.keyboard.press('Enter')
      await page.getByRole('dialog').waitFor()
      assert.ok(await page.evaluate(() => document.activeElement.closest('[role=dialog]') !== null), 'the focus is in the dialog')
      await page.keyboard.type('keyboard')
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      assert.match(await focused(), /新建调用方/, 'the focus is where it was')
      await page.keyboard.press('/')
      await page.locator('[role=combobox]:focus').waitFor()
      await page.keyboard.type(OFFICIAL)
      await page.getByRole('option').first().waitFor()
      await page.keyboard.press('Enter')
      await page.waitForURL(`**/apps/${OFFICIAL}`)
    },
  }
}
