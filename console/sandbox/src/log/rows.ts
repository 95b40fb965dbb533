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
export function words(row: Row) {
  const { call, push } = row
  return (call ? `${call.path} ${call.appid} ${call.errcode} ${call.status} ${call.method}` : `${push!.appid} ${push!.openid} ${push!.url} ${push!.message} ${push!.attempts.map((one) => one.status).join(' ')}`).toLowerCase()
}

export const isBad = (row: Row) => ['warn', 'bad'].includes(outcome(row).kind)
