// The schema of the config file, made from the table of settings and the schema of a route: what is enforced is what is
// published.
import Type, { type TObject, type TSchema } from 'typebox'
import { Settings } from 'typebox/system'
import Value from 'typebox/value'
import { routeDefaultsSchema, writtenRouteSchema } from '../../plugins/forward/route/compile.ts'
import type { Path } from './file.ts'
import { settings } from './settings/index.ts'
import type { Setting } from './settings/setting.ts'
import { formOf } from './settings/written-form.ts'

// More routes than any gateway has; the file as a whole is bounded as well.
const maxRoutes = 1000

const table: Setting<unknown>[] = Object.values(settings)

/** The schema of the whole file (JSON Schema draft 2020-12). */
export const configSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String({ description: 'Where an editor finds this schema; not read.' })),
    ...settingProperties(),
    defaults: Type.Optional(routeDefaultsSchema),
    routes: Type.Optional(
      Type.Array(writtenRouteSchema, {
        maxItems: maxRoutes,
        description: 'What is forwarded where; the longest prefix wins.',
      }),
    ),
  },
  {
    title: 'Cardea configuration',
    description: 'Routes and settings of the Cardea gateway. The environment beats this file.',
    additionalProperties: false,
  },
)

// A dotted key is a member of a group, `signing.alg`; groups are one level deep.
function settingProperties(): Record<string, TSchema> {
  const properties: Record<string, TSchema> = {}
  const groups: Record<string, Record<string, TSchema>> = {}
  for (const setting of table) {
    const [first, second] = setting.key?.split('.') ?? []
    if (first === undefined) continue
    if (second === undefined) properties[first] = describe(setting)
    else groups[first] = { ...groups[first], [second]: describe(setting) }
  }
  for (const [name, members] of Object.entries(groups)) {
    properties[name] = Type.Optional(Type.Object(members, { additionalProperties: false }))
  }
  return properties
}

function describe(setting: Setting<unknown>): TSchema {
  const description = `${setting.meaning} Default: ${setting.otherwise}. In the environment: ${setting.name}.`
  return Type.Optional(Type.Unsafe({ ...setting.kind.schema, description }))
}

/** The schema as editors get it: in every object of the file, keys that begin with `x-` are free. */
export function schemaForEditors(): unknown {
  return withFreeKeys(JSON.parse(JSON.stringify(configSchema)))
}

function withFreeKeys(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withFreeKeys)
  if (!isRecord(node)) return node
  const copy = Object.fromEntries(Object.entries(node).map(([key, part]) => [key, withFreeKeys(part)]))
  if (node['additionalProperties'] !== false) return copy
  const patterns = isRecord(copy['patternProperties']) ? copy['patternProperties'] : {}
  return { ...copy, patternProperties: { ...patterns, '^x-': {} } }
}

/** A place in the file that does not fit the schema. */
export type SchemaViolation =
  | { what: 'unknown key'; path: Path; known: string[] }
  | { what: 'missing key'; path: Path; key: string }
  | { what: 'wrong value'; path: Path; wants: string }

// TypeBox stops collecting at 8 errors; people want all of them at once.
const maxErrors = 10_000

/**
 * Finds everything in a file that does not fit the schema.
 * @param value what the file holds
 * @returns every violation once, in the order of the file's schema
 */
export function findSchemaViolations(value: unknown): SchemaViolation[] {
  const before = Settings.Get().maxErrors
  Settings.Set({ maxErrors })
  const errors = Value.Errors(configSchema, value)
  Settings.Set({ maxErrors: before })
  const told = errors.filter(({ keyword }) => keyword !== 'boolean')
  const choices = told.filter(({ keyword }) => keyword === 'anyOf').map((error) => choiceOf(error, told, value))
  const seen = new Set<string>()
  return told
    .filter((error) => choices.every((choice) => isMeant(error, choice)))
    .flatMap((error) => violationsOf(error))
    .filter((violation) => isNew(seen, violation))
}

type SchemaError = ReturnType<typeof Value.Errors>[number]

/** A choice that no part of fits, and the part that was meant: the one of the value's own kind, if there is one. */
interface Choice {
  error: SchemaError
  /** Where the parts begin in the schema. */
  parts: string
  meant: string | undefined
}

function choiceOf(error: SchemaError, all: readonly SchemaError[], file: unknown): Choice {
  const parts = `${error.schemaPath}/anyOf/`
  const node = schemaAt(error.schemaPath)
  const kind = kindOf(
    pathOf(error.instancePath).reduce<unknown>((value, step) => (isRecord(value) ? value[step] : undefined), file),
  )
  const listed = isRecord(node) && Array.isArray(node['anyOf']) ? node['anyOf'] : []
  const at = kind === undefined ? -1 : listed.findIndex((part) => isRecord(part) && part['type'] === kind)
  const meant = at === -1 ? undefined : `${parts}${at}`
  const isTold = meant !== undefined && all.some((other) => isWithin(other, error, meant))
  return { error, parts, meant: isTold ? meant : undefined }
}

// A word can be meant for anything.
function kindOf(value: unknown): 'array' | 'object' | undefined {
  if (Array.isArray(value)) return 'array'
  return isRecord(value) ? 'object' : undefined
}

function isWithin(error: SchemaError, choice: SchemaError, part: string): boolean {
  const isBelow = `${error.instancePath}/`.startsWith(`${choice.instancePath}/`)
  return error !== choice && isBelow && `${error.schemaPath}/`.startsWith(part.endsWith('/') ? part : `${part}/`)
}

// Of a choice either the part that was meant is told, or that none fits; never what is wrong by each of them.
function isMeant(error: SchemaError, { error: choice, parts, meant }: Choice): boolean {
  if (error === choice) return meant === undefined
  if (!isWithin(error, choice, parts)) return true
  return meant !== undefined && isWithin(error, choice, meant)
}

function violationsOf(error: SchemaError): SchemaViolation[] {
  const path = pathOf(error.instancePath)
  if (error.keyword === 'additionalProperties') {
    const known = namesKnownAt(error.schemaPath)
    return error.params.additionalProperties.map((key) => ({ what: 'unknown key', path: [...path, key], known }))
  }
  if (error.keyword === 'required') {
    return error.params.requiredProperties.map((key) => ({ what: 'missing key', path, key }))
  }
  return [{ what: 'wrong value', path, wants: wantsOf(error) }]
}

// A value can break two keywords at once (pattern and length); people mend it once.
function isNew(seen: Set<string>, violation: SchemaViolation): boolean {
  const id = JSON.stringify([violation.path, violation.what === 'missing key' ? violation.key : ''])
  return !seen.has(id) && Boolean(seen.add(id))
}

function pathOf(pointer: string): Path {
  const steps = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return steps.map((step) => (/^(0|[1-9][0-9]*)$/.test(step) ? Number(step) : step))
}

function hasExample(node: unknown): boolean {
  return isRecord(node) && Array.isArray(node['examples'])
}

// What a schema says of itself is for people; of a choice, also what it says of each part.
function wantsOf(error: SchemaError): string {
  const node = schemaAt(error.schemaPath)
  const parts = isRecord(node) && Array.isArray(node['anyOf']) ? [node, ...node['anyOf']] : [node]
  const descriptions = parts.flatMap((part) => (isRecord(part) ? [part['description']] : [])).filter(Boolean)
  const isForm =
    error.keyword === 'type' || error.keyword === 'anyOf' || error.keyword === 'enum' || error.keyword === 'const'
  const form = isForm || hasExample(node) ? `write ${formOf(node)}` : `it ${error.message}`
  return descriptions.length > 0 ? `${form}. ${descriptions.join(' ')}` : form
}

// Names that stand for themselves, and those of a pattern that is a list of names.
function namesKnownAt(schemaPath: string): string[] {
  const node = schemaAt(schemaPath)
  if (!isRecord(node)) return []
  const { properties = {}, patternProperties = {} } = node
  const listed = Object.keys(patternProperties ?? {}).flatMap((text) => /^\^\(\?:([\w|-]+)\)\$$/.exec(text)?.[1] ?? [])
  return [...Object.keys(properties ?? {}), ...listed.flatMap((names) => names.split('|'))]
}

function schemaAt(schemaPath: string): unknown {
  let node: unknown = configSchema satisfies TObject
  for (const step of schemaPath.split('/').slice(1)) node = isRecord(node) ? node[step] : undefined
  return node
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
