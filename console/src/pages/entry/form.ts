import { day, fromLocal, minute } from '../../lib/time'
import { lines, type Mistake, quotaOf } from './checks'
import { fields, type Field, type ListName, NONE, type Values } from './fields'

/** What stands in the inputs. Of a secret: empty leaves it as it is, null takes it away. */
export type Form = Record<string, string | boolean | null>

/** Whether its list may be one of nothing, which is not the same as none. */
export const canBeNone = ({ presets }: Field) => Object.values(presets ?? {}).includes(NONE)

function shown(field: Field, value: unknown): string | boolean {
  const { type, usual, on } = field
  if (type === 'secret') return ''
  if (type === 'flag') return on ? value === on : Boolean(value ?? usual)
  if (type === 'lines') return (value as string[] | null)?.join('\n') || (value && canBeNone(field) ? NONE : '')
  if (type === 'quotas') return Object.entries(value ?? {}).map(([api, limit]) => `${api} = ${limit}`).join('\n')
  if (type === 'expiry') return value ? `${day(value as number)}T${minute(value as number)}` : ''
  return String(value ?? usual ?? '')
}

export function formOf(list: ListName, entry: Values | null): Form {
  return Object.fromEntries(fields[list].map((field) => [field.key, shown(field, entry?.[field.key])]))
}

function meant({ type, choices, on }: Field, input: Form[string]): unknown {
  if (on) return input ? on : null
  if (input === null || typeof input === 'boolean') return input
  if (type === 'lines') return input === NONE ? [] : lines(input).length ? lines(input) : null
  if (type === 'number') return Number(input || 0)
  if (type === 'quotas') return Object.fromEntries(lines(input).map(quotaOf).filter((quota) => quota !== null))
  if (type === 'expiry') return fromLocal(input)
  if (choices && ['true', 'false'].includes(input)) return input === 'true'
  return input.trim() || null
}

const isAsked = (field: Field, form: Form) => !field.when || field.when(form)

/** Whether the form leaves no room for what `entry` says. */
const isOut = (field: Field, form: Form, before: Form, entry: Values | null) =>
  !isAsked(field, form) && isAsked(field, before) && ![null, undefined, '', false, field.usual].includes(entry?.[field.key] as string)

/**
 * The keys whose meaning the form changes; all that say something if there is no `entry` yet. What doesn't go with the
 * change, and isn't asked for any more, is taken away.
 */
export function changesOf(list: ListName, form: Form, entry: Values | null): Values {
  const before = formOf(list, entry)
  const gone = fields[list].filter((field) => isOut(field, form, before, entry))
  const made = fields[list].filter((field) => {
    if (!isAsked(field, form)) return false
    const input = form[field.key]!
    if (entry && field.isId) return false
    if (field.type === 'secret') return input !== ''
    return entry ? input !== before[field.key] : field.required || input !== before[field.key] || field.type === 'choice'
  })
  return Object.fromEntries([...made.map((field) => [field.key, meant(field, form[field.key]!)]), ...gone.map((field) => [field.key, null])])
}

/** The whole entry as it would be with the form's changes. */
export function wished(list: ListName, form: Form, entry: Values | null): Values {
  return { ...entry, ...changesOf(list, form, entry) }
}

/** What is wrong with the form, by key: required fields that say nothing yet, and what can't be read. */
export function mistakes(list: ListName, form: Form, entry: Values | null): Record<string, Mistake> {
  const wrong: Record<string, Mistake> = {}
  for (const field of fields[list]) {
    if (field.unseen || (entry && field.isId) || !isAsked(field, form)) continue
    const text = String(form[field.key] ?? '').trim()
    const mistake = text ? field.check?.(text, form) : field.required && !(entry && field.type === 'secret') && { words: 'entry.required' }
    if (mistake) wrong[field.key] = mistake
  }
  return wrong
}
