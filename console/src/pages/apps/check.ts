import { useI18n } from 'vue-i18n'
import { send } from '../../api/client'
import type { CheckResult } from '../../api/types'
import { useAction } from '../../lib/action'
import { ms } from '../../lib/format'
import { toast } from '../../lib/toast'

/** Asks WeChat whether an account's credentials work, or for a new token, and tells what came of it. */
export function useAppCheck(changed: () => Promise<unknown> | undefined) {
  const { t } = useI18n()

  const ask = (what: 'check' | 'refresh') => useAction(async (appid: string) => {
    const said = await send<CheckResult>('POST', `apps/${encodeURIComponent(appid)}/${what}`)
    if (said.ok) toast(t('apps.good', { ms: ms(said.ms) }))
    else toast(t('apps.bad', { why: `${said.errcode ?? ''} ${said.advice ?? ''}`.trim() }), 'bad', undefined, 15)
    await changed()
  })

  return { check: ask('check'), refresh: ask('refresh') }
}
