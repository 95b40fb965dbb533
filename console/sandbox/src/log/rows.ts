import { t } from '../i18n'
import { about, type Row } from '../store'

/** What a row is in a few words. */
export function nameOfRow(row: Row) {
  if (row.call) return row.call.path
  const { event, name, key } = about(row.push!)
  const short = key.length > 24 ? `${key.slice(0, 24)}…` : key
  return event ? t('log.event', { name, key: short }).trim() : t('log.message', { key: name })
}

/** How it went: the word for it, and whether it is well. */
export function outcome(row: Row): { kind: 'ok' | 'warn' | 'bad' | 'info'; word: string } {
  if (row.call) {
    const { status, errcode } = row.call
    if (status === 0) return { kind: 'bad', word: t('line.noAnswer') }
    if (status !== 200 && status !== 302) return { kind: 'bad', word: String(status) }
    return { kind: errcode === 0 ? 'ok' : 'warn', word: status === 302 ? '302' : String(errcode) }
  }
  const { attempts, over } = row.push!
  const last = attempts[attempts.length - 1]
  if (!last) return { kind: 'info', word: '…' }
  const word = last.status ? String(last.status) : t('line.noAnswer')
  if (last.status === 200) return { kind: last.error ? 'warn' : 'ok', word }
  return { kind: over ? 'bad' : 'info', word }
}

/** Everything a filter may look for. */
/** Why WeChat refused, in its own words and without what says nothing: the rid, and `argument invalid!` before the keyword. */
export const refusalOf = (row: Row) => (row.call?.errmsg ?? '').replace(/\s*(hints: \[.*\]\s*)?rid: .*$/, '').replace(/^argument invalid! /, '')

export function words(row: Row) {
  const { call, push } = row
  return (call ? `${call.path} ${call.appid} ${call.method} ${call.errmsg ?? ''}` : `${push!.appid} ${push!.openid} ${push!.url} ${push!.message}`).toLowerCase()
}

/** Whether a row is what a filter asks for: a number is an errcode or a status and nothing like it. */
export function fits(row: Row, wanted: string) {
  if (!/^-?\d{1,7}$/.test(wanted)) return words(row).includes(wanted)
  const number = Number(wanted)
  return row.call ? row.call.errcode === number || row.call.status === number : row.push!.attempts.some((one) => one.status === number)
}

export const isBad = (row: Row) => ['warn', 'bad'].includes(outcome(row).kind)
