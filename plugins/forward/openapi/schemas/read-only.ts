// Properties that only answers hold (`readOnly`): a request need not have them, wherever the document says that they are
// required and wherever that they are only read.
import { isObject, type JsonObject, listIn, memberOf, objectIn } from '../document/json.ts'

type Definition = (reference: string) => unknown

// A schema may refer to itself.
const deepest = 10

/**
 * Takes read-only properties out of what a schema requires, by itself and in the parts that stand in its `allOf`. What it
 * refers to is left as it is: others refer to it, too (OpenAPI 3.0.3 section 4.7.24.2, OpenAPI 3.1 as JSON Schema 2020-12).
 * @param schema changed here
 * @param definition gives what a reference stands for
 */
export function requireNothingReadOnly(schema: JsonObject, definition: Definition): void {
  const parts = [schema, ...listIn(schema, 'allOf').filter(isObject)].filter((part) => 'required' in part)
  if (parts.length === 0) return
  const names = readOnlyNames(schema, definition, 0)
  // A list of its own: the one that is there is the document's.
  for (const part of parts) part['required'] = listIn(part, 'required').filter((name) => !names.has(String(name)))
}

function readOnlyNames(schema: unknown, definition: Definition, depth: number): Set<string> {
  if (depth === deepest) return new Set()
  const named = Object.entries(objectIn(schema, 'properties')).filter(([, one]) => isReadOnly(one, definition, depth))
  const others = partsOf(schema, definition).flatMap((part) => [...readOnlyNames(part, definition, depth + 1)])
  return new Set([...named.map(([name]) => name), ...others])
}

function isReadOnly(property: unknown, definition: Definition, depth: number): boolean {
  if (depth === deepest) return false
  if (memberOf(property, 'readOnly') === true) return true
  return partsOf(property, definition).some((part) => isReadOnly(part, definition, depth + 1))
}

function partsOf(schema: unknown, definition: Definition): unknown[] {
  const reference = memberOf(schema, '$ref')
  return [...(typeof reference === 'string' ? [definition(reference)] : []), ...listIn(schema, 'allOf')]
}
