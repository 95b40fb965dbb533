import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds on a page as it is now. */
export async function findings(page) {
  // By the debugger, as the page's own policy allows no script from elsewhere.
  const session = await page.context().newCDPSession(page)
  await session.send('Runtime.evaluate', { expression: axe })
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  return violations.map((found) => `${found.id} (${found.impact}): ${found.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(' | ')}`)
}

/** Gives what axe finds on a page; with a folder it also takes a picture. */
export function lookWith(out) {
  if (out) mkdirSync(out, { recursive: true })
  return async (page, name) => {
    if (out) await page.screenshot({ path: join(out, `${name}.png`) })
    return findings(page)
  }
}
