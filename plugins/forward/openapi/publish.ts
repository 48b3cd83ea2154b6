// A document's part of the gateway's own OpenAPI document: its operations at their paths here, with their schemas, and with
// names that are no other service's. Made only where the document is served.
import type { Policy } from '../../authenticate.ts'
import { type ErrorCode, errorResponses } from '../../errors/index.ts'
import type { CompiledRoute } from '../route/compile.ts'
import type { CompiledDocument, DocumentedOperation } from './compile.ts'
import { Copier } from './document/copy.ts'
import { isObject, type JsonObject, listIn, objectIn, textIn, withMember } from './document/json.ts'
import type { NodeKind } from './document/kinds.ts'
import type { DocumentPlace } from './document/references.ts'
import { finishSchema } from './schemas/dialect.ts'

/** What is merged into the gateway's own document. */
export interface PublishedPart {
  tags: { name: string; description: string }[]
  paths: JsonObject
  components: Record<string, JsonObject>
}

/**
 * Writes the part of a document.
 * @param route its prefix names everything that could be named alike elsewhere
 */
export function publish(document: CompiledDocument, route: PublishedRoute): PublishedPart {
  return new Publication(document, route).part()
}

/** What of a route is published. */
export type PublishedRoute = Pick<CompiledRoute, 'prefix' | 'credential'>

const sections: Partial<Record<NodeKind, string>> = {
  schema: 'schemas',
  parameter: 'parameters',
  requestBody: 'requestBodies',
  response: 'responses',
  header: 'headers',
  example: 'examples',
}

class Publication {
  readonly #document: CompiledDocument
  readonly #prefix: string
  readonly #schemes: readonly string[]
  readonly #namespace: string
  readonly #copier: Copier
  readonly #names = new Set<string>()
  readonly #operationIds = new Set<string>()
  readonly #tags = new Map<string, string>()
  readonly #components: Record<string, JsonObject> = {}

  constructor(document: CompiledDocument, { prefix, credential }: PublishedRoute) {
    this.#document = document
    this.#prefix = prefix
    this.#schemes = credential.accessCookie ? ['bearer', 'accessCookie'] : ['bearer']
    // Unreserved characters and `_` only, as names of components may have; `_2F` for a slash keeps /a/b apart from /a.b.
    this.#namespace = prefix === '/' ? '_2F' : prefix.slice(1).replaceAll(/[_~/]/g, escapeCharacter)
    const dialect = { isOld: document.isOld, forRequests: false, onWarning: () => {} }
    this.#copier = new Copier({
      document: document.source,
      keepsSiblings: !document.isOld,
      referenceTo: (place, kind) => this.#referenceTo(place, kind),
      finish: (schema) => finishSchema(schema, dialect),
      omitted,
    })
  }

  part(): PublishedPart {
    const paths: JsonObject = {}
    for (const documented of this.#document.operations) {
      const { path, method } = documented.operation.parts
      if (documented.isImplied) continue
      const item = Object.hasOwn(paths, path) ? paths[path] : undefined
      const operation = this.#operation(documented)
      withMember(paths, path, { ...(isObject(item) ? item : {}), [method.toLowerCase()]: operation })
    }
    const tags = [...this.#tags].map(([name, description]) => ({ name, description }))
    return { tags, paths, components: this.#components }
  }

  #operation({ operation, node, file, parameters }: DocumentedOperation): JsonObject {
    const { method, path, policies } = operation.parts
    const copied = this.#copy(node, 'operation', file)
    return {
      ...copied,
      operationId: this.#operationId(textIn(node, 'operationId') ?? `${method.toLowerCase()}_${path}`),
      tags: [this.#tag(textIn({ first: listIn(node, 'tags')[0] }, 'first'))],
      parameters: parameters.map((place) => this.#copy(place.node, 'parameter', place.file)),
      security: securityOf(policies, this.#schemes),
      responses: { ...errorResponses(...refused(policies)), ...objectIn(copied, 'responses') },
    }
  }

  #copy(node: unknown, kind: NodeKind, file: string): JsonObject {
    const copied = this.#copier.copy(node, kind, file, (reference, component) => {
      const [, , section = '', name = ''] = reference.split('/')
      this.#components[section] ??= {}
      withMember(this.#components[section], name, component)
    })
    return isObject(copied) ? copied : {}
  }

  #referenceTo({ id }: DocumentPlace, kind: NodeKind): string {
    const section = sections[kind] ?? 'schemas'
    const last = id.split('/').at(-1) ?? ''
    const name = this.#unused(`${this.#namespace}.${last.replaceAll(/[^A-Za-z0-9._-]/g, '_')}`, this.#names, section)
    return `#/components/${section}/${name}`
  }

  #operationId(written: string): string {
    return this.#unused(`${this.#namespace}.${written}`, this.#operationIds, '')
  }

  #unused(wanted: string, used: Set<string>, section: string): string {
    let name = wanted
    for (let i = 2; used.has(`${section} ${name}`); i += 1) name = `${wanted}-${i}`
    used.add(`${section} ${name}`)
    return name
  }

  #tag(written: string | undefined): string {
    const { title } = this.#document
    const name = written === undefined ? this.#prefix : `${this.#prefix} ${written}`
    if (!this.#tags.has(name))
      this.#tags.set(name, written === undefined || title === '' ? title : `${title}: ${written}`)
    return name
  }
}

// Where the service lives and whom it calls is not the client's business, and its own ways to sign in do not work here.
const omitted = { operation: ['servers', 'callbacks', 'externalDocs'], response: ['links'] }

function escapeCharacter(character: string): string {
  return `_${character.charCodeAt(0).toString(16).toUpperCase()}`
}

// OpenAPI 3.1 section 4.8.30: for a scheme that is not of OAuth, the list names roles that are needed; ours names scopes.
function securityOf(policies: readonly Policy[], schemes: readonly string[]): object[] {
  if (policies.every((policy) => policy === 'public')) return []
  const scopes = new Set(policies.flatMap((policy) => (typeof policy === 'string' ? [] : (policy.scopes ?? []))))
  // Any one of them is enough, and each has to bring all scopes.
  return schemes.map((scheme) => ({ [scheme]: [...scopes] }))
}

function refused(policies: readonly Policy[]): ErrorCode[] {
  const always: ErrorCode[] = ['invalid_request', 'upstream_unreachable', 'upstream_unavailable', 'upstream_timeout']
  return policies.every((policy) => policy === 'public') ? always : [...always, 'invalid_token', 'forbidden']
}
