// The body of an operation: which bodies it takes, and what is wrong with one of JSON. Asked before anything is forwarded.
// A body whose bytes a service could read as another value than the one checked here is refused.

import { type JsonViolationOptions, parseStrictJson } from '../../../body-parsers/json.ts'
import { problem } from '../../../errors/index.ts'
import { memberOf, objectIn } from '../document/json.ts'
import type { DocumentPlace } from '../document/references.ts'
import type { Fault, RequestSchema, RequestSchemas } from '../schemas/compile.ts'
import { isJsonType, type MediaType, mediaTypeOf, takesIn } from './media-type.ts'

/** The fields of a request that say what its body is, each as often as it came. */
export interface BodyFields {
  contentType: readonly string[]
  contentEncoding: readonly string[]
  hasBody: boolean
}

/** What is to be done with the body of a request: nothing, or to check its bytes. */
export type BodyTask = { check: 'nothing' } | { check: 'json'; faultOf: (bytes: Buffer) => Fault | undefined }

export interface BodyRule {
  /** @throws Problem for a body that is missing, not wanted, or of another type */
  taskFor(fields: BodyFields): BodyTask
}

const nothing: BodyTask = { check: 'nothing' }

/** The rule of an operation that describes no body: none may come. */
export const noBody: BodyRule = {
  taskFor: ({ hasBody }) => {
    if (hasBody) throw refusedBody('is not wanted here')
    return nothing
  },
}

interface TakenType {
  /** A media type or a range of them. */
  range: string
  /** What its parameters must be besides. */
  parameters: ReadonlyMap<string, string>
  task: BodyTask
}

/**
 * Compiles a request body.
 * @param place a Request Body Object
 * @throws DocumentError when a schema of it cannot be checked
 */
export function compileBody({ node, file }: DocumentPlace, schemas: RequestSchemas): BodyRule {
  const isRequired = memberOf(node, 'required') === true
  const taken: TakenType[] = Object.entries(objectIn(node, 'content')).map(([name, written]) => {
    const media = schemas.placeOf(written, file)
    const range = name.split(';', 1)[0]?.trim().toLowerCase() ?? ''
    const parameters = distinguishing(mediaTypeOf(name.trim())?.parameters)
    if (!isJsonType(range) && !range.endsWith('/*')) return { range, parameters, task: nothing }
    const { faultOf } = schemas.take(memberOf(media.node, 'schema') ?? true, media.file)
    return { range, parameters, task: { check: 'json', faultOf: (bytes) => violationOfJson(bytes, faultOf) } }
  })
  // The most specific range decides.
  taken.sort((one, other) => weightOf(other) - weightOf(one) || other.parameters.size - one.parameters.size)
  return {
    taskFor: (fields) => {
      if (fields.hasBody) return taskOf(taken, fields)
      if (isRequired) throw refusedBody('is missing')
      return nothing
    },
  }
}

// Two entries can differ in a version; how the text is encoded and where its parts end is no matter of the schema.
function distinguishing(parameters: MediaType['parameters'] = new Map()): MediaType['parameters'] {
  return new Map([...parameters].filter(([name]) => name !== 'charset' && name !== 'boundary'))
}

function weightOf({ range }: TakenType): number {
  return range.replaceAll('*', '').length
}

function takes({ range, parameters }: TakenType, type: MediaType): boolean {
  return takesIn(range, type.essence) && [...parameters].every(([name, value]) => type.parameters.get(name) === value)
}

function taskOf(taken: readonly TakenType[], { contentType, contentEncoding }: BodyFields): BodyTask {
  const [field, ...more] = contentType
  const type = field === undefined || more.length > 0 ? undefined : mediaTypeOf(field)
  const match = type && taken.find((one) => takes(one, type))
  if (match === undefined) throw problem('unsupported_media_type', { detail: 'content_type' })
  // A range holds for other types too; only JSON is checked.
  if (match.task.check === 'nothing' || !isJsonType(type?.essence ?? '')) return nothing
  if (!isUtf8(type)) throw problem('unsupported_media_type', { detail: 'charset' })
  // Nobody has looked into what is packed.
  const isPacked = contentEncoding.some((coding) => coding.toLowerCase() !== 'identity')
  if (isPacked) throw problem('unsupported_media_type', { detail: 'content_encoding' })
  return match.task
}

// RFC 8259 section 8.1: MUST be UTF-8; the parameter has no meaning, but some service may give it one.
function isUtf8(type: MediaType | undefined): boolean {
  const charset = type?.parameters.get('charset')
  return charset === undefined || charset === 'utf-8' || charset === 'utf8'
}

function refusedBody(message: string) {
  return problem('invalid_request', { detail: 'openapi_body', errors: [{ in: 'body', path: '/', message }] })
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

// Names such as `constructor` are the service's business; names that stand twice are ours, since of two readers one takes the
// first and the other the last. The depth is bounded because a schema that refers to itself is checked by recursion.
export const jsonRules: JsonViolationOptions = { depthLimit: 100, refusedNames: new Set() }

function violationOfJson(bytes: Buffer, faultOf: RequestSchema['faultOf']): Fault | undefined {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    return { path: '', message: 'is not UTF-8' }
  }
  try {
    return faultOf(parseStrictJson(text, jsonRules), bytes.length)
  } catch {
    return { path: '', message: 'is not JSON that can be read in one way only' }
  }
}
