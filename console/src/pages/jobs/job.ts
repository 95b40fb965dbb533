import type { Job } from '../../api/types'
import type { StatusKind } from '../../ui/StatusBadge.vue'

/** How many came out well. */
export const good = (job: Job) => (job.kind === 'replay' ? job.delivered : job.sent)

/** How many have an outcome, whichever. */
export const done = (job: Job) => good(job) + job.failed + (job.kind === 'send' ? job.unknown : 0)

export const left = (job: Job) => Math.max(0, job.total - done(job))

export function kindOf(job: Job): StatusKind {
  if (job.status === 'running') return 'info'
  if (job.status === 'stopped') return 'idle'
  return good(job) === job.total ? 'ok' : 'warn'
}

/** How many had an outcome at a time. */
export interface Sample {
  at: number
  done: number
}

const SPAN = 20
const ENOUGH = 3

/** Keeps what was seen in the last seconds. */
export function remember(samples: Sample[], sample: Sample): Sample[] {
  return [...samples.filter((one) => one.at > sample.at - SPAN && one.at < sample.at), sample]
}

/**
 * In how many seconds it is done, by what was done of late; null if nothing was. Before there is enough to go by, it
 * is what was done since it began, or the rate that was asked for.
 */
export function etaOf(job: Job, samples: Sample[], now: number): number | null {
  const [first, last] = [samples[0], samples.at(-1)]
  let pace = Math.max(1, job.rate)
  if (first && last && last.at - first.at >= ENOUGH) pace = (last.done - first.done) / (last.at - first.at)
  else if (done(job) && now - job.made_at >= ENOUGH) pace = done(job) / (now - job.made_at)
  return pace > 0 ? left(job) / pace : null
}

/** The dead letters that a job was about. */
export function deadLink(job: Job) {
  return job.filter?.route ? { path: '/dead', query: { route: job.filter.route } } : { path: '/dead' }
}
