// Commas in values of a document: where there are any, a comma that a client encodes is part of a value, else it may part two.
import { isObject, listIn, memberOf, objectIn } from '../document/json.ts'

const deepest = 6

/**
 * Whether a value that a schema names has a comma in it.
 * @param schema of a parameter
 * @param definition gives what a reference of the schema stands for
 */
export function namesComma(schema: unknown, definition: (reference: string) => unknown, depth = 0): boolean {
  if (!isObject(schema) || depth > deepest) return false
  const named = [
    schema['const'],
    schema['default'],
    schema['example'],
    ...listIn(schema, 'enum'),
    ...listIn(schema, 'examples'),
  ]
  // A text in the place of a list is the list as a client writes it.
  const isWhole = 'items' in schema
  if (named.some((value) => (typeof value !== 'string' || !isWhole) && holdsComma(value))) return true
  const reference = memberOf(schema, '$ref')
  const parts = [
    ...(typeof reference === 'string' ? [definition(reference)] : []),
    ...['allOf', 'anyOf', 'oneOf', 'prefixItems'].flatMap((keyword) => listIn(schema, keyword)),
    ...Object.values(objectIn(schema, 'properties')),
    schema['items'],
    schema['additionalProperties'],
  ]
  return parts.some((part) => namesComma(part, definition, depth + 1))
}

// Of a list or an object the values in it count.
function holdsComma(value: unknown): boolean {
  if (typeof value === 'string') return value.includes(',')
  return Array.isArray(value) ? value.some(holdsComma) : isObject(value) && Object.values(value).some(holdsComma)
}
