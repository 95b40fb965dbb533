// Walks through pages in a real browser: each has a context of its own, and fails for what the page's console says.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chromium } from 'playwright-core'
import { lookWith } from './look.mjs'

/** Debian's chromium, which asks nobody for anything. */
export const launch = () => chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })

/** The mocked gateway on a port, with a folder of the built console. */
export function startMock({ port, dist }, ...more) {
  const mock = spawn(process.execPath, [new URL('../mock.mjs', import.meta.url).pathname, '--port', port, '--dist', dist, ...more], { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    mock.stdout.once('data', () => resolve(mock))
    mock.once('exit', (code) => reject(new Error(`the mock ended: ${code}`)))
  })
}

/** Hears what a page shouldn't say, but for what `allowed` says it may. */
function listen(page, messages, allowed) {
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && !allowed().test(m.text()) && messages.push(m.text()))
  page.on('pageerror', (error) => messages.push(error.message))
  page.on('request', (request) => /^(http:\/\/127\.0\.0\.1|data:)/.test(request.url()) || messages.push(`elsewhere: ${request.url()}`))
}

/**
 * Runs those whose names hold `only`. `begin(name)` makes what one walks through: what it is `given`, and how it ends.
 * `allowed`: messages that are no mistake, unless a walk expects others.
 */
export async function run(walks, { only, out, allowed, begin }) {
  const look = lookWith(out)
  const browser = await launch()
  let failed = 0
  for (const [name, walk] of Object.entries(walks).filter(([name]) => name.includes(only))) {
    const { given, end } = await begin(name)
    const context = await browser.newContext({ locale: 'zh-CN', timezoneId: 'Asia/Shanghai', reducedMotion: 'reduce' })
    await context.addInitScript(() => {
      try {
        localStorage.getItem('wxgate.prefs') ?? localStorage.setItem('wxgate.prefs', '{"lang":"zh","theme":"light"}')
      } catch {
        // A page of no origin has none.
      }
    })
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    const messages = []
    let expected = allowed
    listen(page, messages, () => expected)
    try {
      await walk({ page, context, look, ...given, expectMessages: (pattern) => (expected = pattern) })
      assert.deepEqual(messages, [])
      console.log(`✓ ${name}`)
    } catch (error) {
      failed++
      console.log(`✗ ${name} at ${page.url()}\n    ${error.message.split('\n').slice(0, 40).join('\n    ')}\n    ${messages.join('\n    ')}`)
      if (out) await page.screenshot({ path: `${out}/failed-${failed}.png` })
    }
    await context.close()
    end()
  }
  await browser.close()
  process.exitCode = failed ? 1 : 0
}
