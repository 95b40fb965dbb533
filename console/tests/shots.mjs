// Looks at pages of the built console in a real browser, against the mock. For each path it takes pictures and tells what
// is wrong: horizontal overflow, console and CSP messages, requests to elsewhere, findings of axe.
//   node tests/shots.mjs --out /tmp/shots --widths 390,1440 --themes light,dark --langs zh,en /apps /routes
// Further flags: --user viewer, --empty, --port N, --dist DIR, --no-axe, --no-pictures. Needs Debian's chromium and fonts with CJK and emoji.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { launch, startMock } from './walks/harness.mjs'
import { findings } from './walks/look.mjs'

const { values: flags, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string', default: '/tmp/shots' }, widths: { type: 'string', default: '390,768,1440' }, themes: { type: 'string', default: 'light,dark' }, langs: { type: 'string', default: 'zh,en' },
    user: { type: 'string', default: 'admin' }, port: { type: 'string', default: '4180' }, dist: { type: 'string', default: new URL('../dist', import.meta.url).pathname }, empty: { type: 'boolean', default: false }, 'no-axe': { type: 'boolean', default: false }, 'no-pictures': { type: 'boolean', default: false },
  },
})
const list = (text) => text.split(',')
const base = `http://127.0.0.1:${flags.port}`
mkdirSync(flags.out, { recursive: true })

async function openContext(browser, theme, lang) {
  const context = await browser.newContext({ locale: lang === 'en' ? 'en-GB' : 'zh-CN', timezoneId: 'Asia/Shanghai', colorScheme: theme, reducedMotion: 'reduce' })
  await context.addInitScript(([t, l]) => localStorage.setItem('wxgate.prefs', JSON.stringify({ theme: t, lang: l })), [theme, lang])
  const answer = await context.request.post(base + '/api/v1/session', { data: { name: flags.user, password: `console-${flags.user}` } })
  if (!answer.ok()) throw new Error(`login as ${flags.user}: ${answer.status()}`)
  return context
}

function listen(page, found) {
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) found.push(`console ${m.type()}: ${m.text()}`) })
  page.on('pageerror', (e) => found.push(`page error: ${e.message}`))
  page.on('request', (r) => { if (!r.url().startsWith(base) && !r.url().startsWith('data:')) found.push(`elsewhere: ${r.url()}`) })
}

/** What goes beyond the right edge of the window, and by whom. */
const overflow = () => {
  const width = document.documentElement.clientWidth
  if (document.documentElement.scrollWidth <= width) return null
  const wide = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > width + 1 && !e.closest('.sr')).slice(0, 4)
  return `${document.documentElement.scrollWidth} > ${width}: ` + wide.map((e) => `${e.tagName.toLowerCase()}.${e.className}`).join(', ')
}

async function look(context, path, width, theme, lang) {
  const found = []
  const page = await context.newPage()
  listen(page, found)
  await page.setViewportSize({ width, height: width < 768 ? 844 : 900 })
  await page.goto(base + path, { waitUntil: 'domcontentloaded' })
  await page.waitForSelector('main h1', { timeout: 15_000 }).catch(() => found.push('no h1 within 15 s'))
  await page.waitForTimeout(900)
  const wide = await page.evaluate(overflow)
  if (wide) found.push('overflow ' + wide)
  const raw = await page.evaluate(() => /(^|\s)(alerts|apps|audit|callers|common|dead|errors|events|jobs|login|nav|overview|quota|routes|settings|shell|time)\.(?!toml)[a-z]\w+(\.\w+)*/i.exec(document.body.innerText)?.[0].trim())
  if (raw) found.push('raw key: ' + raw)
  if (!flags['no-axe']) found.push(...(await findings(page)).map((line) => `axe ${line}`))
  if (!flags['no-pictures']) await page.screenshot({ path: join(flags.out, `${path.replace(/[^\w]+/g, '-').replace(/^-|-$/g, '') || 'home'}-${width}-${theme}-${lang}.png`), fullPage: true })
  await page.close()
  return found
}

const mock = await startMock(flags, ...(flags.empty ? ['--empty'] : []))
const browser = await launch()
let bad = 0
try {
  for (const lang of list(flags.langs)) {
    for (const theme of list(flags.themes)) {
      const context = await openContext(browser, theme, lang)
      for (const path of paths) {
        for (const width of list(flags.widths).map(Number)) {
          const found = await look(context, path, width, theme, lang)
          bad += found.length
          console.log(`${found.length ? '✗' : '✓'} ${path} ${width} ${theme} ${lang}`)
          for (const line of new Set(found)) console.log('    ' + line)
        }
      }
      await context.close()
    }
  }
} finally {
  await browser.close()
  mock.kill()
}
process.exitCode = bad ? 1 : 0
