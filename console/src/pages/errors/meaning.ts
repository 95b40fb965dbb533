import type { ErrorCode } from '../../api/types'
import type { Lang } from '../../lib/prefs'

/** What a code means, without what to do about it where the words hold both. */
export function meaningOf(code: ErrorCode, lang: Lang) {
  const words = code[lang]
  return code.cause && words.startsWith(code.cause) ? code.cause : words
}
