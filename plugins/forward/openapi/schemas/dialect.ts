// Schemas of OpenAPI 3.0 in the words of 3.1, which are those of JSON Schema 2020-12, and schemas without what cannot be
// used. Its parts have their form already. What is left out is said, never silently lost.
import { isObject, type JsonObject, memberOf } from '../document/json.ts'
import { linearPattern, PatternError } from './pattern.ts'

export interface DialectOptions {
  /** Whether the document is of OpenAPI 3.0. */
  isOld: boolean
  /** Whether the schema checks requests: what only answers hold is not asked for. */
  forRequests: boolean
  /** Hears, once for each kind of thing, what is not checked. */
  onWarning: (sentence: string) => void
}

/**
 * Gives a schema its last form.
 * @param schema copied, and changed here
 */
export function finishSchema(schema: JsonObject, options: DialectOptions): JsonObject {
  // The base of every reference is the file; a base of its own would make them lead elsewhere.
  delete schema['$id']
  delete schema['$schema']
  const current = orNull(options.isOld ? withExclusiveLimits(schema) : schema)
  dropMisused(current, options)
  openUnusableNames(current, options)
  return options.forRequests ? asRequested(current, options) : current
}

// OpenAPI 3.0.3 section 4.7.24: limits that are exclusive by a switch.
function withExclusiveLimits(schema: JsonObject): JsonObject {
  for (const [limit, exclusive] of exclusiveLimits) {
    if (schema[exclusive] === true) {
      schema[exclusive] = schema[limit]
      delete schema[limit]
    } else if (schema[exclusive] === false) delete schema[exclusive]
  }
  return schema
}

const exclusiveLimits = [
  ['minimum', 'exclusiveMinimum'],
  ['maximum', 'exclusiveMaximum'],
] as const

// Strictly, `nullable` is of 3.0 only, needs `type`, and an enumeration must name null itself. Many documents rely on none of
// that; refusing the null that their services take would help nobody.
function orNull(given: JsonObject): JsonObject {
  const { nullable, ...schema } = given
  if (nullable === undefined) return given
  if (nullable !== true) return schema
  const { type } = schema
  if (Array.isArray(type)) return { ...schema, type: [...new Set([...type, 'null'])] }
  if (typeof type !== 'string') return { anyOf: [schema, { type: 'null' }] }
  const values = memberOf(schema, 'enum')
  return {
    ...schema,
    type: [type, 'null'],
    ...(Array.isArray(values) && !values.includes(null) && { enum: [...values, null] }),
  }
}

const isText = (value: unknown) => typeof value === 'string'
const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value)
const isCount = (value: unknown) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const areTexts = (value: unknown) => Array.isArray(value) && value.every(isText)
const isSchema = (value: unknown) => isObject(value) || typeof value === 'boolean'
const areSchemas = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(isSchema)
const holdsSchemas = (value: unknown) => isObject(value) && Object.values(value).every(isSchema)
const typeNames = new Set(['string', 'number', 'integer', 'boolean', 'null', 'array', 'object'])
const isType = (value: unknown) => {
  const names = [value].flat()
  return names.length > 0 && new Set(names).size === names.length && names.every((name) => typeNames.has(String(name)))
}

/** What a keyword must be to mean anything (JSON Schema 2020-12, validation sections 6.1 to 6.5). */
const usable: Record<string, (value: unknown) => boolean> = {
  type: isType,
  enum: (value) => Array.isArray(value) && value.length > 0,
  multipleOf: (value) => isNumber(value) && Number(value) > 0,
  minimum: isNumber,
  maximum: isNumber,
  exclusiveMinimum: isNumber,
  exclusiveMaximum: isNumber,
  minLength: isCount,
  maxLength: isCount,
  pattern: (value) => patternProblem(value) === undefined,
  format: isText,
  minItems: isCount,
  maxItems: isCount,
  uniqueItems: (value) => typeof value === 'boolean',
  minContains: isCount,
  maxContains: isCount,
  minProperties: isCount,
  maxProperties: isCount,
  required: areTexts,
  dependentRequired: (value) => isObject(value) && Object.values(value).every(areTexts),
  properties: holdsSchemas,
  patternProperties: holdsSchemas,
  dependentSchemas: holdsSchemas,
  additionalProperties: isSchema,
  unevaluatedProperties: isSchema,
  unevaluatedItems: isSchema,
  propertyNames: isSchema,
  items: isSchema,
  contains: isSchema,
  not: isSchema,
  if: isSchema,
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  then: isSchema,
  else: isSchema,
  allOf: areSchemas,
  anyOf: areSchemas,
  oneOf: areSchemas,
  prefixItems: areSchemas,
}

/** Why a text cannot be checked as a pattern; undefined when it can. */
function patternProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'is no text'
  try {
    linearPattern(value)
    return undefined
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    return error.message
  }
}

function dropMisused(schema: JsonObject, { onWarning }: DialectOptions): void {
  for (const [keyword, value] of Object.entries(schema)) {
    const isUsable = Object.hasOwn(usable, keyword) ? usable[keyword] : undefined
    if (isUsable === undefined || isUsable(value)) continue
    delete schema[keyword]
    const why = keyword === 'pattern' ? patternProblem(value) : 'cannot be used'
    onWarning(`${keyword}: ${JSON.stringify(value).slice(0, 100)} ${why} and is not checked`)
  }
}

// Where names cannot be checked, every name may be one of them: `additionalProperties` must not refuse it.
function openUnusableNames(schema: JsonObject, { onWarning }: DialectOptions): void {
  const named = memberOf(schema, 'patternProperties')
  if (!isObject(named)) return
  const unusable = Object.keys(named).filter((name) => patternProblem(name) !== undefined)
  if (unusable.length === 0) return
  for (const name of unusable)
    onWarning(`patternProperties: ${name.slice(0, 100)} ${patternProblem(name)} and is not checked`)
  const usable = Object.entries(named).filter(([name]) => !unusable.includes(name))
  schema['patternProperties'] = Object.fromEntries([['', true], ...usable])
}

function asRequested(schema: JsonObject, { onWarning }: DialectOptions): JsonObject {
  // What it chooses by is checked by the schemas it chooses from.
  delete schema['discriminator']
  if (memberOf(schema, '$dynamicRef') !== undefined) {
    onWarning('$dynamicRef is not followed')
    delete schema['$dynamicRef']
  }
  return schema
}
