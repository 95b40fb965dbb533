import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

const dist = process.env.CONSOLE_DIST ?? new URL('../dist', import.meta.url).pathname
const KB = 1024
const PAGE = 200 * KB
const CHUNK = 60 * KB

/** The page of the simulated WeChat. */
const sandbox = new URL('../dist-sandbox', import.meta.url).pathname
const filesOf = (dist: string) => readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(js|css|html|svg)$/.test(file))
const files = filesOf(dist)
const text = new Map(files.map((file) => [file, readFileSync(join(dist, file), 'utf8')]))
const size = (file: string) => gzipSync(text.get(file)!).length

/** What a chunk needs before it can run: what it imports, and that in turn. */
function needs(file: string, found = new Set<string>()) {
  if (found.has(file)) return found
  found.add(file)
  for (const [, name] of text.get(file)!.matchAll(/(?:from|import)\s*["'`](\.[^"'`]+)["'`]/g)) needs(normalize(join(dirname(file), name!)), found)
  return found
}

/** The styles that are loaded with a page's chunk. */
function styles(page: string) {
  const listed = /m\.f=\[([^\]]*)\]/.exec(text.get('a/index.js')!)?.[1]?.split(',').map((one) => one.replace(/["'`]/g, '')) ?? []
  const call = new RegExp(`import\\(["'\`]\\./${page}\\.js["'\`]\\),__vite__mapDeps\\(\\[([\\d,]*)\\]`).exec(text.get('a/index.js')!)
  return (call?.[1] ?? '').split(',').filter(Boolean).map((i) => normalize(join('a', listed[Number(i)]!))).filter((one) => one.endsWith('.css'))
}

const pages = files.filter((file) => /Page\.js$/.test(file)).map((file) => /(\w+)\.js$/.exec(file)![1]!)

test('the first load of every page is small, in both languages', () => {
  const sizes = pages.map((page) => {
    const all = new Set([...needs('a/index.js'), ...needs(`a/${page}.js`), 'a/en.js', 'a/index.css', 'theme.js', 'index.html', ...styles(page)])
    return [page, [...all].reduce((sum, file) => sum + size(file), 0)] as const
  })
  console.log(sizes.map(([page, bytes]) => `${page} ${(bytes / KB).toFixed(1)} KB`).join('\n'))
  expect(sizes.length).toBeGreaterThan(15)
  expect(sizes.filter(([, bytes]) => bytes > PAGE)).toEqual([])
})

test('no chunk is large', () => {
  expect(files.filter((file) => size(file) > CHUNK)).toEqual([])
})

test.each([dist, sandbox])('%s: index.html has nothing inline and asks nobody else', (dist) => {
  const html = readFileSync(join(dist, 'index.html'), 'utf8')
  expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:/)
  for (const [, address] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
    expect(address).toMatch(/^\/_\/ASSETS\//)
    expect(existsSync(join(dist, address!.replace('/_/ASSETS/', ''))), address).toBe(true)
  }
})

test('the page with the phone is small, whole', () => {
  const files = filesOf(sandbox)
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(sandbox, file))).length, 0)
  console.log(`sandbox ${(bytes / KB).toFixed(1)} KB`)
  expect(files.length).toBeGreaterThan(5)
  expect(bytes).toBeLessThan(PAGE)
})

test.each([dist, sandbox])('%s: names carry no hash, and only index.html names the place that is filled in', (dist) => {
  const files = filesOf(dist)
  const text = new Map(files.map((file) => [file, readFileSync(join(dist, file), 'utf8')]))
  expect(files.filter((file) => /[-.][A-Za-z0-9_-]{8}\.(js|css)$/.test(file) && !/export-helper/.test(file))).toEqual([])
  expect([...text].filter(([file, one]) => file !== 'index.html' && one.includes('/_/ASSETS')).map(([file]) => file)).toEqual([])
})
