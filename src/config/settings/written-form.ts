// The form in which a value is written, as its schema says it: the end of "write …". It names no more than a person needs to mend
// one place.

/**
 * How a value of a schema is written.
 * @param schema JSON Schema, as the file's own is
 */
export function formOf(schema: unknown): string {
  if (!isRecord(schema)) return 'something else'
  const { anyOf, const: only, enum: words, type } = schema
  if (Array.isArray(anyOf)) return [...new Set(anyOf.map(formOf))].join(' or ')
  if (only !== undefined) return String(only)
  if (Array.isArray(words)) return words.map(String).join(' or ')
  if (type === 'boolean') return 'true or false'
  if (type === 'integer' || type === 'number') return numberForm(schema)
  if (type === 'array') return listForm(schema['items'])
  if (type === 'object') return objectForm(schema)
  const [example] = Array.isArray(schema['examples']) ? schema['examples'] : []
  return example === undefined ? 'a text' : `a text such as ${String(example)}`
}

function numberForm({ type, minimum, maximum }: Record<string, unknown>): string {
  const number = type === 'integer' ? 'a whole number' : 'a number'
  if (minimum === undefined) return number
  return maximum === undefined ? `${number} from ${minimum} on` : `${number} from ${minimum} to ${maximum}`
}

function listForm(items: unknown): string {
  if (isRecord(items) && items['type'] === 'object') return 'a list, each entry of which begins with “- ”'
  return isRecord(items) ? `a list: [${formOf(items)}, …]` : 'a list'
}

const shownMembers = 4

// Those that must be there first.
function objectForm({ properties, required }: Record<string, unknown>): string {
  const needed = Array.isArray(required) ? required.map(String) : []
  const names = [...new Set([...needed, ...Object.keys(isRecord(properties) ? properties : {})])]
  const shown = names.slice(0, shownMembers).map((name) => `${name}: …`)
  return `{ ${shown.join(', ')}${names.length > shownMembers ? ', …' : ''} }`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
