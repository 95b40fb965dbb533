import { t } from '../i18n'
import type { TopRow } from './TopBars.vue'

/** What stands in the statistics for a caller that nobody knows, and for those that are not counted one by one. */
const UNKNOWN = '-'
const OTHERS = 'other'

/** Rows with their links; what isn't one thing has a word instead of a name, and leads nowhere. */
export function linked(rows: TopRow[], place: string): TopRow[] {
  return rows.map((row) => {
    if (row.key === UNKNOWN) return { ...row, label: t('overview.unknownCaller') }
    if (row.key === OTHERS) return { ...row, label: t('overview.others') }
    return { ...row, link: place + encodeURIComponent(row.key) }
  })
}
