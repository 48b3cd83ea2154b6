// The kinds of objects of an OpenAPI document, and where in each others stand (OpenAPI 3.1 section 4.8, OpenAPI 3.2 section 4).
// Only these places hold references: in an extension, an example, a default or a constant, `$ref` is a name like any other.

/** What kinds of objects a document has, as far as they can hold or be references. */
export type NodeKind =
  | 'document'
  | 'pathItem'
  | 'operation'
  | 'parameter'
  | 'requestBody'
  | 'mediaType'
  | 'encoding'
  | 'response'
  | 'header'
  | 'example'
  | 'schema'

/** How many stand in a member, and of which kind. */
export type Member = ['one' | 'list' | 'map', NodeKind]
type Members = Record<string, Member>

const parameterMembers: Members = {
  schema: ['one', 'schema'],
  content: ['map', 'mediaType'],
  examples: ['map', 'example'],
}

const operation: Member = ['one', 'operation']

const members: Record<NodeKind, Members> = {
  document: { paths: ['map', 'pathItem'] },
  pathItem: {
    parameters: ['list', 'parameter'],
    additionalOperations: ['map', 'operation'],
    get: operation,
    head: operation,
    post: operation,
    put: operation,
    patch: operation,
    delete: operation,
    options: operation,
    query: operation,
  },
  operation: { parameters: ['list', 'parameter'], requestBody: ['one', 'requestBody'], responses: ['map', 'response'] },
  parameter: parameterMembers,
  header: parameterMembers,
  requestBody: { content: ['map', 'mediaType'] },
  mediaType: {
    schema: ['one', 'schema'],
    itemSchema: ['one', 'schema'],
    examples: ['map', 'example'],
    encoding: ['map', 'encoding'],
  },
  encoding: { headers: ['map', 'header'] },
  response: { headers: ['map', 'header'], content: ['map', 'mediaType'] },
  example: {},
  schema: {
    $defs: ['map', 'schema'],
    definitions: ['map', 'schema'],
    properties: ['map', 'schema'],
    patternProperties: ['map', 'schema'],
    dependentSchemas: ['map', 'schema'],
    allOf: ['list', 'schema'],
    anyOf: ['list', 'schema'],
    oneOf: ['list', 'schema'],
    prefixItems: ['list', 'schema'],
    items: ['one', 'schema'],
    additionalProperties: ['one', 'schema'],
    unevaluatedItems: ['one', 'schema'],
    unevaluatedProperties: ['one', 'schema'],
    propertyNames: ['one', 'schema'],
    contains: ['one', 'schema'],
    not: ['one', 'schema'],
    if: ['one', 'schema'],
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
    then: ['one', 'schema'],
    else: ['one', 'schema'],
    contentSchema: ['one', 'schema'],
  },
}

/** What stands in a member of an object of a kind; undefined where no object with references does. */
export function memberOfKind(kind: NodeKind, name: string): Member | undefined {
  return Object.hasOwn(members[kind], name) ? members[kind][name] : undefined
}
