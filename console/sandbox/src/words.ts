import { t } from './i18n'
import type { Code, Kind } from './api'

const STANDING: Record<string, string> = { wx00000000000000a1: 'first', wx00000000000000b2: 'mini', wx3cc8fd6963e31a32: 'example' }

/** What an account is called here: WeChat knows it by its AppID, people want a name. */
export function nameOf(appid: string, kind: Kind) {
  const standing = STANDING[appid]
  return standing ? t(`apps.${standing}`) : `${t(`kinds.${kind}`)} ${appid.slice(-4)}`
}

/** What tells a code from others: its scene, else its page. */
export const codeName = (code: Code) => code.scene || code.page || t('mini.defaultPage')

const TINTS: Record<string, string> = { first: 'c1', mini: 'c5', example: 'c3' }

/** A colour for an account, one of six. */
export const tint = (appid: string) => TINTS[STANDING[appid] ?? ''] ?? `c${([...appid].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 6) + 1}`
