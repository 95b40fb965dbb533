import { canBeNone } from './form'
import { fields, type ListName, type Values } from './fields'

const quote = (text: string) => JSON.stringify(text)

function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`
  if (value && typeof value === 'object') {
    return `{ ${Object.entries(value).map(([key, one]) => `${quote(key)} = ${written(one)}`).join(', ')} }`
  }
  return typeof value === 'string' ? quote(value) : String(value)
}

const isNothing = (value: unknown) => value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
  || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)

/** The entry as it would stand in a configuration file. A secret that only the file knows becomes a remark. */
export function toml(list: ListName, values: Values, kept: string): string {
  const lines = fields[list].flatMap((field) => {
    const { key, type, usual } = field
    const value = values[key]
    if (type === 'secret' && value === true) return [`# ${key}: ${kept}`]
    if (Array.isArray(value) && !value.length && canBeNone(field)) return [`${key} = []`]
    const isUsual = String(value) === String(usual) && key !== 'kind'
    return isNothing(value) || isUsual ? [] : [`${key} = ${written(value)}`]
  })
  return `[[${list}]]\n${lines.join('\n')}\n`
}
