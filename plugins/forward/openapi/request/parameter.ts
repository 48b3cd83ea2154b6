// One parameter of an operation: how its value is found in a request, by its place and style (OpenAPI 3.1 section 4.8.12), and
// what is wrong with it. Made while operations are compiled, asked before anything is forwarded.
import { parseStrictJson } from '../../../body-parsers/json.ts'
import { checkRequestField } from '../../headers/names.ts'
import { isObject, memberOf, textIn } from '../document/json.ts'
import type { DocumentPlace } from '../document/references.ts'
import { DocumentError } from '../document/source.ts'
import type { Fault, RequestSchema, RequestSchemas } from '../schemas/compile.ts'
import { jsonRules } from './body.ts'
import { namesComma } from './commas.ts'
import { isJsonType, mediaTypeOf } from './media-type.ts'
import { decoded, membersOf, type Query } from './query.ts'
import { anyText, isScalar, meaningOf, type Raw, shapeOf, type ValueShape } from './value-shape.ts'

/** The parts of a request that parameters are found in, taken apart. */
export interface RequestParts {
  /** Decoded, by the document's names. */
  path: ReadonlyMap<string, string>
  query: Query
  /** Names in lower case. */
  header: ReadonlyMap<string, readonly string[]>
  cookie: ReadonlyMap<string, readonly string[]>
  /** Whether a name of the query is that of another parameter, so that it is no member of an object without a name. */
  isNamed(name: string): boolean
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
  /** Whether it is an object whose members stand in the query by their own names. */
  isSpread: boolean
}

/** How encoded commas of a query are read: `strict`, as part of a value always. */
export type Commas = 'either' | 'strict'

type Found = Raw | { fault: string } | undefined

/**
 * Compiles a parameter.
 * @param place a Parameter Object
 * @returns undefined for one that the document must not describe: it is ignored (section 4.8.12.2)
 * @throws DocumentError when it cannot be checked
 */
export function compileParameter(
  place: DocumentPlace,
  schemas: RequestSchemas,
  commas: Commas = 'either',
): Parameter | undefined {
  const { node, file } = place
  const name = textIn(node, 'name')
  const where = places.find((one) => one === memberOf(node, 'in'))
  // OpenAPI 3.2 section 4.12.1: the whole query as one value.
  if (memberOf(node, 'in') === 'querystring') throw new DocumentError('its query is one value, which is not checked')
  if (name === undefined || where === undefined) throw new DocumentError('a parameter lacks `name` or `in`')
  const required = where === 'path' || memberOf(node, 'required') === true
  if (where === 'header' && isIgnored(name, required)) return undefined
  const content = contentOf(node)
  const described = content ? schemas.placeOf(content.media, file) : place
  const checked = schemas.take(memberOf(described.node, 'schema') ?? true, described.file)
  const definition = (reference: string) => schemas.definition(reference)
  const shape = shapeOf(checked.schema, definition)
  const isStrict = commas === 'strict' || namesComma(checked.schema, definition)
  const find = content ? finderOfText(where, name) : finderOf(node, where, name, shape, isStrict)
  const isSpread = where === 'query' && content === undefined && isSpreadBy(node, shape)
  const mayBeEmpty = memberOf(node, 'allowEmptyValue') === true
  const isRight = (value: unknown) => checked.faultOf(value) === undefined
  return {
    in: where,
    name,
    required,
    claims: where === 'query' ? claimsOf(node, name, shape, isSpread) : () => false,
    isSpread,
    faultIn: (parts) => {
      const found = find(parts)
      if (found === undefined) return required ? { path: '', message: 'is missing' } : undefined
      if (isFault(found)) return { path: '', message: found.fault }
      if (mayBeEmpty && found === '') return undefined
      if (content?.isJson) return violationOfJson(String(found), checked.faultOf)
      if (isRight(meaningOf(found, shape, true))) return undefined
      return checked.faultOf(meaningOf(found, shape, false))
    },
  }
}

// OpenAPI 3.1 section 4.8.12.2: these are described elsewhere.
const ignoredFields: ReadonlySet<string> = new Set(['accept', 'content-type', 'authorization'])
// What the gateway writes is there whatever the client sends.
const writtenFields = /^(?:(?:host|content-length|connection|x-request-id)$|x-auth-|x-forwarded-)/

// Whether a field of a client is there says nothing of the request that is sent where the gateway takes such fields out.
function isIgnored(name: string, required: boolean): boolean {
  const lower = name.toLowerCase()
  if (ignoredFields.has(lower) || writtenFields.test(lower)) return true
  if (checkRequestField(name) !== 'drop') return false
  if (required) throw new DocumentError(`the field ${name} that it requires does not pass this gateway`)
  return true
}

/** How a parameter is written that has a media type (OpenAPI 3.1 section 4.8.12.2.2: exactly one). */
function contentOf(node: unknown): { media: unknown; isJson: boolean } | undefined {
  const content = memberOf(node, 'content')
  if (!isObject(content)) return undefined
  const [name = '', media] = Object.entries(content)[0] ?? []
  const essence = mediaTypeOf(name)?.essence ?? ''
  const isJson = isJsonType(essence)
  if (!isJson && !essence.startsWith('text/')) throw new DocumentError(`a parameter is ${name}, which is not checked`)
  return { media, isJson }
}

function isFault(found: Raw | { fault: string }): found is { fault: string } {
  return typeof found === 'object' && 'fault' in found
}

function violationOfJson(text: string, faultOf: RequestSchema['faultOf']): Fault | undefined {
  try {
    return faultOf(parseStrictJson(text, jsonRules), text.length)
  } catch {
    return { path: '', message: 'is not JSON that can be read in one way only' }
  }
}

function claimsOf(node: unknown, name: string, shape: ValueShape, isSpread: boolean): Parameter['claims'] {
  const isDeep = memberOf(node, 'style') === 'deepObject'
  if (!isDeep && !isSpread) return (given) => given === name
  const isOwn = (given: string) => given === name && isScalar(shape.types)
  if (isDeep) return (given) => isOwn(given) || given.startsWith(`${name}[`)
  return (given) => isOwn(given) || memberShape(shape, given) !== undefined
}

// Of an object that has members of its own, more may be there only where the document says what they are: else every name that
// nobody has declared would be one.
function memberShape({ properties, others }: ValueShape, name: string): ValueShape | undefined {
  return properties.get(name) ?? (properties.size === 0 || others !== anyText ? others : undefined)
}

// An exploded object in the style form: its members stand in the query by their own names.
function isSpreadBy(node: unknown, shape: ValueShape): boolean {
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

function finderOf(
  node: unknown,
  where: Where,
  name: string,
  shape: ValueShape,
  isStrict: boolean,
): (parts: RequestParts) => Found {
  const style = textIn(node, 'style') ?? (where === 'query' || where === 'cookie' ? 'form' : 'simple')
  if (!stylesOf[where].includes(style)) throw new DocumentError(`the style ${style} is not supported in a ${where}`)
  if (style === 'deepObject') return orScalar(({ query }) => membersOf(query, name, shape), name, shape)
  const isExploded = memberOf(node, 'explode') ?? style === 'form'
  const separator = separators[style] ?? (where === 'query' && !isStrict ? /,|%2C/i : ',')
  const isList = isListed(shape, 'array')
  if (where === 'query' && isSpreadBy(node, shape)) {
    return orScalar((parts) => spreadMembers(parts, isScalar(shape.types) ? name : undefined, shape), name, shape)
  }
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

// A value that may also be no object, such as a time beside a span of times, then stands under the parameter's own name.
function orScalar(find: (parts: RequestParts) => Found, name: string, { types }: ValueShape): typeof find {
  if (!isScalar(types)) return find
  const findAlone = finderOfText('query', name)
  return (parts) => {
    const [found, alone] = [find(parts), findAlone(parts)]
    if (found !== undefined && alone !== undefined) return { fault: 'is there in two ways' }
    return found ?? alone
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

function spreadMembers({ query, isNamed }: RequestParts, own: string | undefined, shape: ValueShape): Found {
  const members = new Map<string, Raw>()
  for (const [name, values] of query) {
    const member = isNamed(name) || name === own ? undefined : memberShape(shape, name)
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
