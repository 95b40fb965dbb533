import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import en from '../src/locales/en'
import zh from '../src/locales/zh'
import enSandbox from '../sandbox/src/locales/en'
import zhSandbox from '../sandbox/src/locales/zh'

const places = [
  { src: new URL('../src', import.meta.url).pathname, zh, en },
  { src: new URL('../sandbox/src', import.meta.url).pathname, zh: zhSandbox, en: enSandbox },
]

function flat(value: object, at = ''): Map<string, string> {
  return new Map(Object.entries(value).flatMap(([key, one]) => (typeof one === 'string' ? [[at + key, one] as const] : [...flat(one, `${at}${key}.`)])))
}

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort()

describe.each(places)('$src', ({ src, zh, en }) => {
  const chinese = flat(zh)
  const english = flat(en)

  test('both languages have the same texts with the same values in them', () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort())
    for (const [key, text] of chinese) expect(names(english.get(key)!), key).toEqual(names(text))
  })

  test('no text is empty, and none holds what vue-i18n would read as syntax', () => {
    for (const [key, text] of [...chinese, ...english]) {
      expect(text, key).not.toBe('')
      expect(text.replace(/\{(\w+|'[^']*')\}/g, ''), key).not.toMatch(/[{}@|]/)
    }
  })

  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(vue|ts)$/.test(file) && !file.startsWith('locales'))

  test('every text that a page asks for exists', () => {
    const missing: string[] = []
    for (const file of files) {
      const source = readFileSync(join(src, file), 'utf8')
      for (const [, key] of source.matchAll(/\bt\(\s*'([\w.]+)'/g)) if (!chinese.has(key!)) missing.push(`${file}: ${key}`)
      for (const [, start, rest] of source.matchAll(/\bt\(\s*`([\w.]+)\$\{[^}]*\}([\w.]*)`/g)) {
        if (![...chinese.keys()].some((key) => key.startsWith(start!) && key.endsWith(rest!))) missing.push(`${file}: ${start}…${rest}`)
      }
    }
    expect(missing).toEqual([])
  })

  test('nothing needs more than the content security policy allows', () => {
    const bad: string[] = []
    for (const file of files.filter((one) => one.endsWith('.vue'))) {
      const template = /<template>[\s\S]*<\/template>/.exec(readFileSync(join(src, file), 'utf8'))?.[0] ?? ''
      if (/\s:?style=|v-html|\son\w+=/.test(template)) bad.push(file)
    }
    expect(bad).toEqual([])
  })
})
