// One parameter of an operation: how its value is found in a request, by its place and style (OpenAPI 3.1 section 4.8.12), and
// what is wrong with it. Made while operations are compiled, asked before anything is forwarded.
import { isObject, memberOf, textIn } from './json.ts'
import { decoded, membersOf, type Query } from './query.ts'
import type { Place } from './references.ts'
import type { Fault, RequestSchemas } from './schemas.ts'
import { DocumentError } from './source.ts'
import { meaningOf, type Raw, shapeOf, type ValueShape } from './value-shape.ts'

/** The parts of a request that parameters are found in, taken apart. */
export interface RequestParts {
  /** Decoded, by the document's names. */
  path: ReadonlyMap<string, string>
  query: Query
  /** Names in lower case. */
  header: ReadonlyMap<string, readonly string[]>
  cookie: ReadonlyMap<string, readonly string[]>
}

const places = ['path', 'query', 'header', 'cookie'] as const
type Where = (typeof places)[number]

export interface Parameter {
  in: Where
  name: string
  required: boolean
  /** @returns what is wrong with its value in a request; undefined when it is right, or absent and not needed */
  faultIn(parts: RequestParts): Fault | undefined
  /** Whether a name of the query is this parameter's. */
  claims(name: string): boolean
}

type Found = Raw | { fault: string } | undefined

/**
 * Compiles a parameter.
 * @param place a Parameter Object
 * @returns undefined for one that the document must not describe: it is ignored (section 4.8.12.2)
 * @throws DocumentError when it cannot be judged
 */
export function compileParameter(place: Place, schemas: RequestSchemas): Parameter | undefined {
  const { node, file } = place
  const name = textIn(node, 'name')
  const where = places.find((one) => one === memberOf(node, 'in'))
  if (name === undefined || where === undefined) throw new DocumentError('a parameter lacks `name` or `in`')
  if (where === 'header' && ignoredFields.has(name.toLowerCase())) return undefined
  const content = memberOf(node, 'content')
  const isJson = isObject(content)
  const written = isJson ? memberOf(Object.values(content)[0], 'schema') : memberOf(node, 'schema')
  const judged = schemas.take(written ?? true, file)
  const shape = shapeOf(judged.schema, (reference) => schemas.definition(reference))
  const find = isJson ? finderOfText(where, name) : finderOf(node, where, name, shape)
  const required = where === 'path' || memberOf(node, 'required') === true
  const mayBeEmpty = memberOf(node, 'allowEmptyValue') === true
  const isRight = (value: unknown) => judged.faultOf(value) === undefined
  return {
    in: where,
    name,
    required,
    claims: claimsOf(node, where, name, shape),
    faultIn: (parts) => {
      const found = find(parts)
      if (found === undefined) return required ? { path: '', message: 'is missing' } : undefined
      if (isFault(found)) return { path: '', message: found.fault }
      if (mayBeEmpty && found === '') return undefined
      if (isJson) return faultOfJson(String(found), judged.faultOf)
      if (isRight(meaningOf(found, shape, true))) return undefined
      return judged.faultOf(meaningOf(found, shape, false))
    },
  }
}

// OpenAPI 3.1 section 4.8.12.2: these are described elsewhere.
const ignoredFields: ReadonlySet<string> = new Set(['accept', 'content-type', 'authorization'])

function isFault(found: Raw | { fault: string }): found is { fault: string } {
  return typeof found === 'object' && 'fault' in found
}

function faultOfJson(text: string, faultOf: (value: unknown) => Fault | undefined): Fault | undefined {
  try {
    return faultOf(JSON.parse(text))
  } catch {
    return { path: '', message: 'is not JSON' }
  }
}

function claimsOf(node: unknown, where: Where, name: string, shape: ValueShape): Parameter['claims'] {
  if (where !== 'query') return () => false
  if (memberOf(node, 'style') === 'deepObject') return (given) => given.startsWith(`${name}[`)
  if (!isSpread(node, shape)) return (given) => given === name
  const isOpen = shape.others !== undefined && shape.properties.size === 0
  return (given) => isOpen || shape.properties.has(given)
}

// An exploded object in the style form: its members stand in the query by their own names.
function isSpread(node: unknown, shape: ValueShape): boolean {
  const isForm = (memberOf(node, 'style') ?? 'form') === 'form' && memberOf(node, 'explode') !== false
  return isForm && isListed(shape, 'object')
}

// A schema that leaves everything open describes a text.
function isListed({ types }: ValueShape, type: 'array' | 'object'): boolean {
  return types.has(type) && !types.has('string')
}

function finderOfText(where: Where, name: string): (parts: RequestParts) => Found {
  return (parts) => {
    if (where === 'path') return parts.path.get(name)
    const values = where === 'header' ? parts.header.get(name.toLowerCase()) : parts[where].get(name)
    if (values === undefined) return undefined
    return values.length > 1 ? repeated : textOf(values[0] ?? '', where)
  }
}

const repeated = { fault: 'is there more than once' }

// Only the query is a form; the value of a cookie is as the service set it.
function textOf(value: string, where: Where): string {
  return where === 'query' ? (decoded(value) ?? '') : value
}

function finderOf(node: unknown, where: Where, name: string, shape: ValueShape): (parts: RequestParts) => Found {
  const style = textIn(node, 'style') ?? (where === 'query' || where === 'cookie' ? 'form' : 'simple')
  if (!stylesOf[where].includes(style)) throw new DocumentError(`the style ${style} is not supported in a ${where}`)
  if (style === 'deepObject') return ({ query }) => membersOf(query, name, shape)
  const isExploded = memberOf(node, 'explode') ?? style === 'form'
  const separator = separators[style] ?? ','
  const isList = isListed(shape, 'array')
  if (where === 'query' && isSpread(node, shape)) return ({ query }) => spreadMembers(query, shape)
  if (where === 'query' && isList && isExploded === true) {
    return ({ query }) => query.get(name)?.map((value) => decoded(value) ?? '')
  }
  const text = where === 'path' ? ({ path }: RequestParts) => path.get(name) : undefined
  if (!isList && !isListed(shape, 'object')) return text ?? finderOfText(where, name)
  return (parts) => {
    const whole = text?.(parts) ?? wholeOf(parts, where, name)
    if (typeof whole !== 'string') return whole
    const items = whole.split(separator).map((item) => textOf(item.trim(), where))
    return isList ? items : membersIn(items, isExploded === true)
  }
}

const stylesOf: Record<Where, readonly string[]> = {
  path: ['simple'],
  query: ['form', 'spaceDelimited', 'pipeDelimited', 'deepObject'],
  header: ['simple'],
  cookie: ['form'],
}

// As they stand in a query, where neither a blank nor a bar may stand as itself.
const separators: Record<string, RegExp> = { spaceDelimited: /%20|\+/, pipeDelimited: /\||%7C/i }

// RFC 9110 section 5.3: fields of one name are one list.
function wholeOf(parts: RequestParts, where: Where, name: string): string | { fault: string } | undefined {
  if (where === 'header') return parts.header.get(name.toLowerCase())?.join(',')
  const values = where === 'path' ? undefined : parts[where].get(name)
  return values !== undefined && values.length > 1 ? repeated : values?.[0]
}

function spreadMembers(query: Query, shape: ValueShape): Found {
  const members = new Map<string, Raw>()
  for (const [name, values] of query) {
    const member = shape.properties.get(name) ?? (shape.properties.size === 0 ? shape.others : undefined)
    if (member === undefined) continue
    const texts = values.map((value) => decoded(value) ?? '')
    if (isListed(member, 'array')) members.set(name, texts)
    else if (texts.length > 1) return repeated
    else members.set(name, texts[0] ?? '')
  }
  return members.size === 0 ? undefined : members
}

// `a=1,b=2` when it is exploded, else `a,1,b,2`.
function membersIn(items: readonly string[], isExploded: boolean): Found {
  const members = new Map<string, Raw>()
  const pairs = isExploded ? items.map(splitAtEquals) : pairsOf(items)
  for (const [name, value] of pairs) {
    if (value === undefined) return { fault: 'is not a list of names and values' }
    if (members.has(name)) return { fault: 'has a member that is there twice' }
    members.set(name, value)
  }
  return members
}

function splitAtEquals(item: string): [string, string | undefined] {
  const equals = item.indexOf('=')
  return equals === -1 ? [item, undefined] : [item.slice(0, equals), item.slice(equals + 1)]
}

function pairsOf(items: readonly string[]): [string, string | undefined][] {
  const pairs: [string, string | undefined][] = []
  for (let i = 0; i < items.length; i += 2) pairs.push([items[i] ?? '', items[i + 1]])
  return pairs
}
