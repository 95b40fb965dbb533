import type { Caller } from '../../api/types'
import { now } from '../../lib/clock'

/** Whether its time is over: each of its calls is refused. */
export const hasEnded = (caller: Caller) => !!caller.expires_at && caller.expires_at <= now.value

/** Whether it shows no key: `auth.mode = "off"`, or one that is known by where it calls from. */
export const isKeyless = (caller: Caller) => !caller.keys.length
