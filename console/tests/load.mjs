// How the console bears 1,000 messages a second for a minute: `WXGATE_BIN=… node tests/load.mjs [--rate N] [--seconds N]`. Prints
// figures and judges nothing.
import { createHash, randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { parseArgs } from 'node:util'
import { startDemo } from './walks/gateway.mjs'
import { launch } from './walks/harness.mjs'

const { values: flags } = parseArgs({ options: { rate: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '60' } } })
const [RATE, SECONDS] = [Number(flags.rate), Number(flags.seconds)]
const APPID = 'wx00000000000000a1'
const TOKEN = 'sandboxtoken'

const { child, base, gateway, link } = await startDemo()
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
let [sent, taken, failed] = [0, 0, 0]

/** A plain message as WeChat signs it. */
function message() {
  const [timestamp, nonce] = [String(Math.floor(Date.now() / 1000)), randomBytes(8).toString('hex')]
  const signature = createHash('sha1').update([TOKEN, timestamp, nonce].sort().join('')).digest('hex')
  const n = ++sent
  const body = `<xml><ToUserName>gh_0000000000a1</ToUserName><FromUserName>o${String(n % 1000).padStart(27, '0')}</FromUserName><CreateTime>${timestamp}</CreateTime><MsgType>text</MsgType><Content>${n}</Content><MsgId>${Date.now()}${String(n).padStart(7, '0')}</MsgId></xml>`
  const asked = request(`${gateway}/v1/service/wx/wxmsg/${APPID}?signature=${signature}&timestamp=${timestamp}&nonce=${nonce}`, { method: 'POST', agent, headers: { 'content-type': 'text/xml', 'content-length': Buffer.byteLength(body) } }, (answer) => {
    if (answer.statusCode === 200) taken++
    else failed++
    answer.resume()
  })
  asked.on('error', () => failed++)
  asked.end(body)
}

const browser = await launch()
const page = await (await browser.newContext({ locale: 'zh-CN', viewport: { width: 1440, height: 900 } })).newPage()
await page.goto(link)
await page.waitForURL(`${base}/`)
await page.goto(`${base}/events`)
await page.locator('main h1').first().waitFor()
const session = await page.context().newCDPSession(page)
await session.send('Performance.enable')
const metrics = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map((one) => [one.name, one.value]))

const began = Date.now()
const delays = []
let [heap, nodes] = [0, 0]
const sending = setInterval(() => {
  const due = Math.min(RATE * SECONDS, ((Date.now() - began) / 1000) * RATE)
  while (sent < due) message()
}, 10)
while (Date.now() - began < SECONDS * 1000) {
  await page.waitForTimeout(1000)
  const asked = Date.now()
  // What a click waits for: the page's own thread, and a frame.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0))))
  delays.push(Date.now() - asked)
  const found = await metrics()
  heap = Math.max(heap, found.JSHeapUsedSize)
  nodes = Math.max(nodes, await page.evaluate(() => document.querySelectorAll('*').length))
}
clearInterval(sending)
const chip = await page.locator('header .tag[role=status]').innerText()
const opened = Date.now()
await page.goto(`${base}/`)
await page.locator('main h1').first().waitFor()
const overview = Date.now() - opened
delays.sort((a, b) => a - b)
console.log(JSON.stringify({ sent, taken, failed, seconds: SECONDS, frame_ms: { p50: delays[delays.length >> 1], max: delays.at(-1) }, heap_mib: Math.round(heap / 1048576), dom: nodes, chip, overview_ms: overview }))
await browser.close()
child.kill('SIGKILL')
process.exit(0)
