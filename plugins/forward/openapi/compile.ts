// A document made ready for use: each operation that lies under the route, with what checks its requests. An operation that
// cannot be checked is left out and said, so that it is refused, not forwarded.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Policy } from '../../authenticate.ts'
import { type ForwardedMethod, forwardedMethods } from '../route/methods.ts'
import { isObject, type JsonObject, listIn, memberOf, objectIn, textIn } from './document/json.ts'
import { type DocumentPlace, follow, isReference } from './document/references.ts'
import { DocumentError, type SourceDocument } from './document/source.ts'
import { Operation } from './operation.ts'
import { type Mapping, pathHere, patternOf, serverBases } from './paths.ts'
import { type PolicySource, policiesOf } from './policy.ts'
import { type BodyRule, compileBody, noBody } from './request/body.ts'
import { compileParameter, type Parameter } from './request/parameter.ts'
import { RequestSchemas } from './schemas/compile.ts'

export interface CompileOptions {
  mapping: Mapping
  /** The config's policy for each method. */
  policies: Readonly<Record<ForwardedMethod, Policy>>
  policySource: PolicySource
  /** Whether names of the query that no parameter has are let through. */
  passesUndeclaredQuery: boolean
  /** Of a body that is checked; what is not checked has the route's limit. */
  bodyLimitBytes: number
}

/** An operation and where in the document it was described. */
export interface DocumentedOperation {
  operation: Operation
  node: JsonObject
  file: string
  parameters: readonly DocumentPlace[]
  /** A HEAD that the document does not describe: it goes with the GET. */
  isImplied: boolean
}

export interface CompiledDocument {
  source: SourceDocument
  title: string
  isOld: boolean
  operations: DocumentedOperation[]
  /** Operations that lie elsewhere at the service, which this route does not reach. */
  elsewhere: number
  /** What is not checked, and which operations are left out. */
  warnings: string[]
}

const maxOperations = 5000
const maxWarnings = 50

/**
 * Compiles a document. It gives way to other work after each operation, so that a gateway can go on serving meanwhile.
 * @throws DocumentError when it is not OpenAPI 3.0 or 3.1, or nothing of it lies under the route
 */
export async function compileDocument(source: SourceDocument, options: CompileOptions): Promise<CompiledDocument> {
  const document = source.files.get(source.root)
  const isOld = requireVersion(document).startsWith('3.0')
  const warnings = new Set<string>()
  const onWarning = (sentence: string) => void (warnings.size < maxWarnings && warnings.add(sentence))
  const compiler = new Compiler(source, document, isOld, options, onWarning)
  const documented = [...compiler.documented()]
  if (documented.length > maxOperations) throw new DocumentError(`It has more than ${maxOperations} operations.`)
  const operations: DocumentedOperation[] = []
  for (const one of documented) {
    await compiler.prepare(one)
    operations.push(...compiler.compile(one))
    await nextTurn()
  }
  if (operations.length === 0) {
    throw new DocumentError(`No operation of it can be reached under ${options.mapping.prefix}: see \`rewrite\`.`)
  }
  const title = textIn(memberOf(document, 'info'), 'title') ?? ''
  return { source, title, isOld, operations, elsewhere: compiler.elsewhere, warnings: [...warnings] }
}

function requireVersion(document: unknown): string {
  const version = textIn(document, 'openapi')
  if (version !== undefined && /^3\.[01]\./.test(version)) return version
  const found = version ?? (textIn(document, 'swagger') === undefined ? 'none' : 'Swagger 2.0')
  throw new DocumentError(`It is not an OpenAPI document of version 3.0 or 3.1 (found: ${found}).`)
}

/** An operation as it stands in the document. */
interface Documented {
  method: ForwardedMethod
  /** As the document writes it. */
  path: string
  /** At the gateway. */
  here: string
  node: JsonObject
  item: DocumentPlace
}

class Compiler {
  readonly #source: SourceDocument
  readonly #document: unknown
  readonly #options: CompileOptions
  readonly #schemas: RequestSchemas
  readonly #onWarning: (sentence: string) => void
  /** Parameters that several operations share are compiled once. */
  readonly #parameters = new Map<unknown, Parameter | undefined>()
  readonly #routes = new Set<string>()
  /** Operations that this route does not reach. */
  elsewhere = 0

  constructor(
    source: SourceDocument,
    document: unknown,
    isOld: boolean,
    options: CompileOptions,
    onWarning: (sentence: string) => void,
  ) {
    this.#source = source
    this.#document = document
    this.#options = options
    this.#onWarning = onWarning
    this.#schemas = new RequestSchemas(source, { isOld, onWarning })
  }

  /** The operations under the route: of the first base that the document names and under which there are any. */
  documented(): Documented[] {
    let found: Documented[] = []
    for (const base of serverBases(this.#document)) {
      this.elsewhere = 0
      found = [...this.#under(base)]
      if (found.length > 0) break
    }
    return found
  }

  *#under(base: string): Generator<Documented> {
    for (const [path, written] of Object.entries(objectIn(this.#document, 'paths'))) {
      if (!path.startsWith('/')) continue
      const item = this.#placeOf(written, this.#source.root)
      for (const method of forwardedMethods) {
        const node = memberOf(item.node, method.toLowerCase())
        if (!isObject(node)) continue
        const here = pathHere(this.#baseOf([node, item.node], base) + path, this.#options.mapping)
        if (here === undefined) this.elsewhere += 1
        else yield { method, path, here, node, item }
      }
    }
  }

  #baseOf(nodes: readonly unknown[], base: string): string {
    const own = nodes.find((node) => listIn(node, 'servers').length > 0)
    return own === undefined ? base : (serverBases(own)[0] ?? base)
  }

  /** Compiles what the schemas of an operation refer to. What leads nowhere is said where the operation is compiled. */
  async prepare({ node, item }: Documented): Promise<void> {
    try {
      const written = memberOf(node, 'requestBody')
      const body = written === undefined ? [] : [this.#placeOf(written, item.file)]
      for (const place of [...this.#parameterPlaces(node, item), ...body]) {
        for (const schema of schemasAt(place)) await this.#schemas.prepare(schema, place.file)
      }
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error
    }
  }

  /** @returns the operation, for GET the HEAD that goes with it too; nothing when it cannot be checked */
  compile(documented: Documented): DocumentedOperation[] {
    const { method, item, node, path } = documented
    try {
      const hasHead = method === 'GET' && !isObject(memberOf(item.node, 'head'))
      const methods: ForwardedMethod[] = hasHead ? ['GET', 'HEAD'] : [method]
      return methods.map((one) => ({ ...this.#compile({ ...documented, method: one }), isImplied: one !== method }))
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error
      this.#onWarning(`${method} ${path} (${textIn(node, 'operationId') ?? 'unnamed'}) is left out: ${error.message}`)
      return []
    }
  }

  #compile({ method, here, node, item }: Documented): Omit<DocumentedOperation, 'isImplied'> {
    const pattern = patternOf(here)
    if (pattern === undefined) throw new DocumentError(`the router cannot match ${here}`)
    const route = `${method} ${pattern.url}`
    if (this.#routes.has(route)) throw new DocumentError('an operation before it has the same path')
    const places = this.#parameterPlaces(node, item)
    const parameters = places.flatMap((place) => this.#parameter(place) ?? [])
    const documented = parameters.filter((one) => one.in === 'path').map(({ name }) => name)
    const unknown = documented.find((name) => !pattern.names.includes(name))
    if (unknown !== undefined) throw new DocumentError(`its path has no parameter ${unknown}`)
    const nodes = [node, item.node, this.#document]
    const { policies, policySource, passesUndeclaredQuery, bodyLimitBytes } = this.#options
    const operation = new Operation({
      method,
      path: here,
      url: pattern.url,
      pathNames: pattern.names,
      policies: policiesOf(policies[method], policySource, nodes),
      parameters,
      body: this.#body(node, item.file),
      otherQueryNames: passesUndeclaredQuery ? 'any' : this.#keyNames(),
      bodyLimitBytes,
    })
    this.#routes.add(route)
    return { operation, node, file: item.file, parameters: places }
  }

  // OpenAPI 3.1 section 4.8.9.1: those of the path hold for all of its operations; one of the same place and name beats it.
  #parameterPlaces(node: JsonObject, { node: item, file }: DocumentPlace): DocumentPlace[] {
    const places = new Map<string, DocumentPlace>()
    for (const written of [...listIn(item, 'parameters'), ...listIn(node, 'parameters')]) {
      const place = this.#placeOf(written, file)
      places.set(`${String(memberOf(place.node, 'in'))} ${String(memberOf(place.node, 'name'))}`, place)
    }
    return [...places.values()]
  }

  #parameter(place: DocumentPlace): Parameter | undefined {
    if (!this.#parameters.has(place.node)) this.#parameters.set(place.node, compileParameter(place, this.#schemas))
    return this.#parameters.get(place.node)
  }

  #body(node: JsonObject, file: string): BodyRule {
    const written = memberOf(node, 'requestBody')
    return written === undefined ? noBody : compileBody(this.#placeOf(written, file), this.#schemas)
  }

  // A key in the query is no parameter: the document speaks of it under `security`.
  #keyNames(): ReadonlySet<string> {
    const schemes = Object.values(objectIn(objectIn(this.#document, 'components'), 'securitySchemes'))
    const keys = schemes.filter((scheme) => textIn(scheme, 'type') === 'apiKey' && textIn(scheme, 'in') === 'query')
    return new Set(keys.flatMap((scheme) => textIn(scheme, 'name') ?? []))
  }

  #placeOf(node: unknown, file: string): DocumentPlace {
    return isReference(node) ? follow(this.#source, node.$ref, file) : { node, file, id: '' }
  }
}

// Of a parameter or a body: its own schema, or one for each media type.
function schemasAt({ node }: DocumentPlace): unknown[] {
  const media = Object.values(objectIn(node, 'content'))
  return [node, ...media].map((one) => memberOf(one, 'schema')).filter((schema) => schema !== undefined)
}
