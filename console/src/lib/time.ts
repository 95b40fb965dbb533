import { t } from '../i18n'
import { now } from './clock'
import { prefs } from './prefs'

const formats = new Map<string, Intl.DateTimeFormat>()

export const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone

/** The zone in which times are shown. */
export function zone() {
  return prefs.zone || browserZone
}

function format(options: Intl.DateTimeFormatOptions, timeZone = zone()) {
  const key = timeZone + JSON.stringify(options)
  let found = formats.get(key)
  if (!found) {
    found = new Intl.DateTimeFormat('sv-SE', { hourCycle: 'h23', ...options, timeZone })
    formats.set(key, found)
  }
  return found
}

const DAY = { year: 'numeric', month: '2-digit', day: '2-digit' } as const
const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const

/** `2026-11-27` */
export const day = (at: number) => format(DAY).format(at * 1000)

/** `14:03:09` */
export const clock = (at: number) => format(CLOCK).format(at * 1000)

/** `14:03` */
export const minute = (at: number) => format({ hour: '2-digit', minute: '2-digit' }).format(at * 1000)

/** `11-27 14:03` */
export const dayMinute = (at: number) => `${day(at).slice(5)} ${minute(at)}`

/** `2026-11-27 14:03:09` */
export const full = (at: number) => `${day(at)} ${clock(at)}`

/** The clock if it was today, else with the day. */
export const short = (at: number) => (day(at) === day(now.value) ? clock(at) : full(at))

/** `2026-11-27 14:03:09.208` of milliseconds. */
export const exactMs = (ms: number) => `${day(ms / 1000)} ${clock(ms / 1000)}.${String(ms % 1000).padStart(3, '0')}`

/** What hovering over a time says: with the zone, in UTC, and as a number. */
export function everyWay(at: number) {
  const utc = format({ ...DAY, ...CLOCK }, 'UTC').format(at * 1000)
  return `${day(at)} ${clock(at)} ${zone()}\n${utc} UTC\nUnix ${at}`
}

/** `UTC+8` of the zone shown. */
export function offset(at: number = now.value) {
  const part = new Intl.DateTimeFormat('en', { timeZone: zone(), timeZoneName: 'shortOffset' }).formatToParts(at * 1000)
  return (part.find((p) => p.type === 'timeZoneName')?.value ?? '').replace('GMT', 'UTC')
}

/** A length in the largest unit that says enough: 48 s, 12 min, 3 h, 2 d. */
export function length(seconds: number) {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return t('time.s', { n: s })
  if (s < 3600) return t('time.min', { n: Math.floor(s / 60) })
  if (s < 86400) return t('time.h', { n: trim(s / 3600) })
  return t('time.d', { n: trim(s / 86400) })
}

const trim = (n: number) => (n < 10 ? Math.floor(n * 10) / 10 : Math.floor(n))

/** A countdown: `1:48`, `1:02:03`. */
export function countdown(seconds: number) {
  const s = Math.max(0, Math.round(seconds))
  const two = (n: number) => String(n).padStart(2, '0')
  const head = s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}` : String(Math.floor(s / 60))
  return `${head}:${two(s % 60)}`
}

/** How long ago, or in how long. */
export function ago(at: number) {
  const past = now.value - at
  if (Math.abs(past) < 2) return t('time.now')
  return past > 0 ? t('time.ago', { t: length(past) }) : t('time.in', { t: length(-past) })
}

/** The time that `2026-11-27T14:03` is in the zone shown, or null. */
export function fromLocal(text: string) {
  const guess = Date.parse(`${text}Z`) / 1000
  if (Number.isNaN(guess)) return null
  const ahead = (at: number) => Date.parse(`${day(at)}T${clock(at)}Z`) / 1000 - at
  // Twice, as the offset may be another on the other side of a change of the clocks.
  return guess - ahead(guess - ahead(guess))
}
