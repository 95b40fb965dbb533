import { useI18n } from 'vue-i18n'
import { send } from '../../api/client'
import type { ProbeResult } from '../../api/types'
import { useAction } from '../../lib/action'
import { ms } from '../../lib/format'
import { toast } from '../../lib/toast'

/** What is done to a route from the list and from its page. */
export function useRouteActs(changed: () => void) {
  const { t } = useI18n()

  const probe = useAction(async (name: string) => {
    const said = await send<ProbeResult>('POST', `routes/${encodeURIComponent(name)}/probe`)
    if (said.ok) toast(t('routes.probeGood', { name, status: said.status ?? '', ms: ms(said.ms) }))
    else toast(t('routes.probeBad', { name, why: [said.status && `HTTP ${said.status}`, said.error].filter(Boolean).join(' ') }), 'bad', undefined, 15)
  })

  const pause = useAction(async (name: string, paused: boolean) => {
    await send('PATCH', `routes/${encodeURIComponent(name)}`, { paused })
    toast(t(paused ? 'routes.paused' : 'routes.resumed', { name }), 'ok', { label: t('common.undo'), run: () => void pause.run(name, !paused) })
    changed()
  })

  return { probe, pause }
}
