import { day, fromLocal, minute } from '../../lib/time'
import { fields, type Field, type ListName, type Values } from './fields'

/** What stands in the inputs. Of a secret: empty leaves it as it is, null takes it away. */
export type Form = Record<string, string | boolean | null>

const lines = (text: string) => text.split(/[\n,，]/).map((line) => line.trim()).filter(Boolean)
function shown({ type, usual }: Field, value: unknown): string | boolean {
  if (type === 'secret') return ''
  if (type === 'flag') return Boolean(value ?? usual)
  if (type === 'lines') return ((value as string[] | null) ?? (usual ? [usual] : [])).join('\n')
  if (type === 'quotas') return Object.entries(value ?? {}).map(([api, limit]) => `${api} ${limit}`).join('\n')
  if (type === 'expiry') return value ? `${day(value as number)}T${minute(value as number)}` : ''
  return String(value ?? usual ?? '')
}

export function formOf(list: ListName, entry: Values | null): Form {
  return Object.fromEntries(fields[list].map((field) => [field.key, shown(field, entry?.[field.key])]))
}

function meant({ type, choices }: Field, input: Form[string]): unknown {
  if (input === null || typeof input === 'boolean') return input
  if (type === 'lines') return lines(input)
  if (type === 'number') return Number(input || 0)
  if (type === 'quotas') return Object.fromEntries(lines(input).map((line) => line.split(/\s+/) as [string, string]))
  if (type === 'expiry') return fromLocal(input)
  if (choices && ['true', 'false'].includes(input)) return input === 'true'
  return input.trim() || null
}

/** The keys whose meaning the form changes; all that say something if there is no `entry` yet. */
export function changesOf(list: ListName, form: Form, entry: Values | null): Values {
  const before = formOf(list, entry)
  const made = fields[list].filter((field) => {
    if (field.when && !field.when(form)) return false
    const input = form[field.key]!
    if (entry && field.isId) return false
    if (field.type === 'secret') return input !== ''
    return entry ? input !== before[field.key] : field.required || input !== before[field.key] || field.type === 'choice'
  })
  return Object.fromEntries(made.map((field) => [field.key, emptyAsNull(meant(field, form[field.key]!))]))
}

const emptyAsNull = (value: unknown) => (Array.isArray(value) && value.length === 0 ? null : value)

/** The whole entry as it would be with the form's changes. */
export function wished(list: ListName, form: Form, entry: Values | null): Values {
  return { ...entry, ...changesOf(list, form, entry) }
}

/** Required fields that say nothing yet. */
export function missing(list: ListName, form: Form, entry: Values | null): string[] {
  return fields[list]
    .filter((field) => field.required && !(entry && (field.isId || field.type === 'secret')) && !String(form[field.key] ?? '').trim())
    .map((field) => field.key)
}
