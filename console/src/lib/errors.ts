import type { ApiError } from '../api/client'
import { t } from '../i18n'
import { length } from './time'

/** What to tell of an error: the gateway's own words, or why there are none. */
export function errorText(error: ApiError) {
  if (error.status === 0) return error.message || t('common.unreachable')
  if (error.retryAfter) return `${error.message} ${t('common.retryIn', { t: length(error.retryAfter) })}`
  return error.message
}
