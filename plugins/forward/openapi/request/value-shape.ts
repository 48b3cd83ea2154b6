// The values that a text can mean under a schema: `7` is a number where numbers are wanted. Compiled once a parameter, used
// to check only: what is forwarded stays as it came. Nothing is guessed: a text becomes a number by the grammar of JSON or
// not at all.
import { isObject, listIn, memberOf, objectIn } from '../document/json.ts'

type TypeName = 'string' | 'number' | 'boolean' | 'null' | 'array' | 'object'

export interface ValueShape {
  types: ReadonlySet<TypeName>
  properties: ReadonlyMap<string, ValueShape>
  /** Of members that have no shape of their own; undefined where there must be none. */
  others: ValueShape | undefined
  items: ValueShape
}

/** A parameter as it was taken apart: texts, lists and members of them. */
export type Raw = string | Raw[] | Map<string, Raw>

const everyType: readonly TypeName[] = ['string', 'number', 'boolean', 'null', 'array', 'object']
/** Of a schema that says nothing, or too much to be looked through. */
export const anyText: ValueShape = {
  types: new Set(everyType),
  properties: new Map(),
  get others() {
    return anyText
  },
  get items() {
    return anyText
  },
}
const deepest = 6

/**
 * What a schema leaves open, as far as it can be told by looking.
 * @param definition gives what a reference of the schema stands for
 */
export function shapeOf(schema: unknown, definition: (reference: string) => unknown, depth = 0): ValueShape {
  if (!isObject(schema) || depth > deepest) return anyText
  const parts = partsOf(schema, definition, depth)
  const types = new Set(statedTypes(schema))
  const narrowed = [...parts.all, ...(parts.any.length > 0 ? [unionOf(parts.any)] : [])]
  for (const type of types) if (narrowed.some((part) => !part.types.has(type))) types.delete(type)
  const properties = new Map<string, ValueShape>()
  for (const part of [...parts.any, ...parts.all])
    for (const [name, shape] of part.properties) properties.set(name, shape)
  for (const [name, property] of Object.entries(objectIn(schema, 'properties'))) {
    properties.set(name, shapeOf(property, definition, depth + 1))
  }
  const others = memberOf(schema, 'additionalProperties')
  const items = memberOf(schema, 'items') ?? narrowed.find(({ items }) => items !== anyText)?.items
  return {
    types,
    properties,
    others: others === false ? undefined : shapeOf(others, definition, depth + 1),
    items: isShape(items) ? items : shapeOf(items, definition, depth + 1),
  }
}

/** Whether a value may be neither a list nor an object. */
export function isScalar(types: ValueShape['types']): boolean {
  return types.has('string') || types.has('number') || types.has('boolean') || types.has('null')
}

function isShape(value: unknown): value is ValueShape {
  return isObject(value) && value['types'] instanceof Set
}

function partsOf(schema: object, definition: (reference: string) => unknown, depth: number) {
  const reference = memberOf(schema, '$ref')
  const referred = typeof reference === 'string' ? [definition(reference)] : []
  const shape = (part: unknown) => shapeOf(part, definition, depth + 1)
  return {
    all: [...referred, ...listIn(schema, 'allOf')].map(shape),
    any: [...listIn(schema, 'anyOf'), ...listIn(schema, 'oneOf')].map(shape),
  }
}

function unionOf(shapes: readonly ValueShape[]): ValueShape {
  const types = new Set(shapes.flatMap((shape) => [...shape.types]))
  return { ...anyText, types, items: shapes.find(({ items }) => items !== anyText)?.items ?? anyText }
}

function statedTypes(schema: object): readonly TypeName[] {
  const type = memberOf(schema, 'type')
  if (type !== undefined) return [type].flat().map(nameOf)
  if (Object.hasOwn(schema, 'const')) return [typeOf(memberOf(schema, 'const'))]
  const values = listIn(schema, 'enum')
  return values.length > 0 ? values.map(typeOf) : everyType
}

function nameOf(type: unknown): TypeName {
  return type === 'integer' ? 'number' : (everyType.find((name) => name === type) ?? 'string')
}

function typeOf(value: unknown): TypeName {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : nameOf(typeof value)
}

/**
 * The value that a parameter means.
 * @param prefersText where a text may also stay one, it does
 */
export function meaningOf(raw: Raw, shape: ValueShape, prefersText: boolean): unknown {
  if (typeof raw === 'string') return scalarOf(raw, shape.types, prefersText)
  if (Array.isArray(raw)) return raw.map((item) => meaningOf(item, shape.items, prefersText))
  // Without a prototype, so that no name is there that nobody sent.
  const value: Record<string, unknown> = Object.create(null)
  for (const [name, member] of raw) {
    const memberShape = shape.properties.get(name) ?? shape.others ?? anyText
    value[name] = meaningOf(member, memberShape, prefersText)
  }
  return value
}

// RFC 8259 section 6: no plus sign, no leading zero, no hexadecimal, and no blank.
const number = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

function scalarOf(text: string, types: ReadonlySet<TypeName>, prefersText: boolean): unknown {
  if (prefersText && types.has('string')) return text
  if (types.has('number') && number.test(text)) return Number(text)
  if (types.has('boolean') && (text === 'true' || text === 'false')) return text === 'true'
  if (types.has('null') && (text === 'null' || (text === '' && !types.has('string')))) return null
  return text
}
