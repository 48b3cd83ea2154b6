// A document made ready for use: each operation that lies under the route, with what checks its requests. An operation that
// cannot be checked is left out and said, so that it is refused, not forwarded.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Policy } from '../../authenticate.ts'
import { forwardedMethods } from '../route/methods.ts'
import { type MethodPolicies, policyOf } from '../route/policies.ts'
import { isObject, type JsonObject, listIn, memberOf, objectIn, textIn } from './document/json.ts'
import { type DocumentPlace, placeOf } from './document/references.ts'
import { DocumentError, type SourceDocument } from './document/source.ts'
import { LeftOut } from './left-out.ts'
import { Operation } from './operation.ts'
import { type Mapping, pathHere, patternOf, serverBases } from './paths.ts'
import { type PolicySource, policiesOf } from './policy.ts'
import { type BodyRule, compileBody, noBody } from './request/body.ts'
import { type Commas, compileParameter, type Parameter } from './request/parameter.ts'
import { RequestSchemas } from './schemas/compile.ts'

export interface CompileOptions {
  mapping: Mapping
  /** The config's policy for each method that the route takes. */
  policies: Readonly<MethodPolicies>
  /** The path that takes the place of the document's servers; undefined where they hold. */
  base?: string | undefined
  policySource: PolicySource
  /** Whether names of the query that no parameter has are let through. */
  passesUndeclaredQuery: boolean
  commas?: Commas
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
  /** What is not checked, and which operations are left out. */
  warnings: string[]
}

const maxOperations = 5000
/** Of what is not checked; what is left out is always said. */
const maxWarnings = 50

/**
 * Compiles a document. It gives way to other work after each operation, so that a gateway can go on serving meanwhile.
 * @throws DocumentError when it is not OpenAPI 3.0 to 3.2, or nothing of it lies under the route
 */
export async function compileDocument(source: SourceDocument, options: CompileOptions): Promise<CompiledDocument> {
  const document = source.files.get(source.root)
  const isOld = requireVersion(document) === '3.0'
  const warnings = new Set<string>()
  const onWarning = (sentence: string) => void (warnings.size < maxWarnings && warnings.add(sentence))
  const compiler = new Compiler(source, document, isOld, options, onWarning)
  const documented = compiler.documented()
  if (documented.length > maxOperations) throw new DocumentError(`It has more than ${maxOperations} operations.`)
  const operations: DocumentedOperation[] = []
  for (const one of documented) {
    await compiler.prepare(one)
    operations.push(...compiler.compile(one))
    await nextTurn()
  }
  const leftOut = compiler.leftOut.sentences()
  if (operations.length === 0) {
    const why = leftOut.length === 0 ? '' : ` ${leftOut.join('; ')}.`
    throw new DocumentError(
      `No operation of it can be reached under ${options.mapping.prefix}: see \`rewrite\` and \`openapi.base\`.${why}`,
    )
  }
  const title = textIn(memberOf(document, 'info'), 'title') ?? ''
  return { source, title, isOld, operations, warnings: [...leftOut, ...warnings] }
}

// Without quotation marks YAML reads a number, and of 3.0 nothing but 3 is left.
function requireVersion(document: unknown): string {
  const written = memberOf(document, 'openapi')
  const version = typeof written === 'number' ? String(written) : textIn(document, 'openapi')
  const [fits, minor = '.0'] = /^3(?:$|(\.[012])(?:\.|$))/.exec(version ?? '') ?? []
  if (fits !== undefined) return `3${minor}`
  const found = version ?? (textIn(document, 'swagger') === undefined ? 'none' : 'Swagger 2.0')
  throw new DocumentError(`It is not an OpenAPI document of version 3.0, 3.1 or 3.2 (found: ${found}).`)
}

/** An operation as it stands in the document. */
interface Documented {
  method: string
  /** The config's. */
  policy: Policy
  /** As the document writes it. */
  path: string
  /** At the gateway. */
  here: string
  node: JsonObject
  /** Of the operation; its path may be described in another. */
  file: string
  item: DocumentPlace
}

class Compiler {
  readonly #source: SourceDocument
  readonly #document: unknown
  readonly #options: CompileOptions
  readonly #schemas: RequestSchemas
  /** Parameters that several operations share are compiled once. */
  readonly #parameters = new Map<unknown, Parameter | undefined>()
  readonly #routes = new Set<string>()
  leftOut = new LeftOut()

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
    this.#schemas = new RequestSchemas(source, { isOld, onWarning })
  }

  /** The operations under the route: of the first base that the document names and under which there are any. */
  documented(): Documented[] {
    const { base } = this.#options
    let found: Documented[] = []
    for (const one of base === undefined ? serverBases(this.#document) : [base.replace(/\/+$/, '')]) {
      const leftOut = new LeftOut()
      found = [...this.#under(one, leftOut)]
      if (found.length > 0 || one === '' || base !== undefined) this.leftOut = leftOut
      if (found.length > 0) break
    }
    return found
  }

  *#under(base: string, leftOut: LeftOut): Generator<Documented> {
    const { mapping, policies } = this.#options
    for (const [path, written] of Object.entries(objectIn(this.#document, 'paths'))) {
      if (path.startsWith('x-')) continue
      const item = this.#placeOf(written, this.#source.root)
      for (const { method, place } of this.#operationsAt(item, `${path}`, leftOut)) {
        const { node, file } = place
        if (!isObject(node)) continue
        const atService = this.#baseOf([node, item.node], base) + path
        const here = path.startsWith('/') ? pathHere(atService, mapping) : undefined
        const policy = policyOf(policies, method)
        const operation = nameOf(method, path, node)
        if (!path.startsWith('/')) leftOut.add(operation, 'its path does not begin with /')
        else if (here === undefined) {
          const reached = mapping.replacement === '' ? '/' : mapping.replacement
          leftOut.add(operation, `the route reaches ${reached} at the service, and this lies under ${base || '/'}`)
        } else if (policy === undefined) {
          leftOut.add(operation, `\`methods\` of the route does not name ${method}`)
        } else yield { method, policy, path, here, node, file, item }
      }
    }
  }

  // A reference in the place of an operation is not of the standard, but of large documents.
  *#operationsAt(
    item: DocumentPlace,
    path: string,
    leftOut: LeftOut,
  ): Generator<{ method: string; place: DocumentPlace }> {
    const added = Object.entries(objectIn(item.node, 'additionalOperations'))
    const own = methodNames.map((method) => [method, memberOf(item.node, method.toLowerCase())] as const)
    for (const [method, written] of [...own, ...added]) {
      if (written === undefined) continue
      try {
        yield { method, place: this.#placeOf(written, item.file) }
      } catch (error) {
        if (!(error instanceof DocumentError)) throw error
        leftOut.add(`${method} ${path}`, error.message)
      }
    }
  }

  #baseOf(nodes: readonly unknown[], base: string): string {
    if (this.#options.base !== undefined) return base
    const own = nodes.find((node) => listIn(node, 'servers').length > 0)
    return own === undefined ? base : (serverBases(own)[0] ?? base)
  }

  /** Compiles what the schemas of an operation refer to. What leads nowhere is said where the operation is compiled. */
  async prepare({ node, file, item }: Documented): Promise<void> {
    try {
      const written = memberOf(node, 'requestBody')
      const body = written === undefined ? [] : [this.#placeOf(written, file)]
      for (const place of [...this.#parameterPlaces({ node, file }, item), ...body]) {
        for (const schema of this.#schemasAt(place)) await this.#schemas.prepare(schema.node, schema.file)
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
      const own = { ...this.#compile(documented), isImplied: false }
      if (!hasHead) return [own]
      const { HEAD: policy } = this.#options.policies
      return [own, { ...this.#compile({ ...documented, method: 'HEAD', policy }), isImplied: true }]
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error
      this.leftOut.add(nameOf(method, path, node), error.message)
      return []
    }
  }

  #compile({ method, policy, here, node, file, item }: Documented): Omit<DocumentedOperation, 'isImplied'> {
    const pattern = patternOf(here)
    if (pattern === undefined) throw new DocumentError(`the router cannot match ${here}`)
    const route = `${method} ${pattern.url}`
    if (this.#routes.has(route)) throw new DocumentError('an operation before it has the same path')
    const places = this.#parameterPlaces({ node, file }, item)
    const parameters = places.flatMap((place) => this.#parameter(place) ?? [])
    const documented = parameters.filter((one) => one.in === 'path').map(({ name }) => name)
    const unknown = documented.find((name) => !pattern.names.includes(name))
    if (unknown !== undefined) throw new DocumentError(`its path has no parameter ${unknown}`)
    const nodes = [node, item.node, this.#document]
    const { policySource, passesUndeclaredQuery, bodyLimitBytes } = this.#options
    const operation = new Operation({
      method,
      path: here,
      url: pattern.url,
      pathNames: pattern.names,
      policies: policiesOf(policy, policySource, nodes),
      parameters,
      body: this.#body(node, file),
      otherQueryNames: passesUndeclaredQuery ? 'any' : this.#keyNames(),
      bodyLimitBytes,
    })
    this.#routes.add(route)
    return { operation, node, file, parameters: places }
  }

  // OpenAPI 3.1 section 4.8.9.1: those of the path hold for all of its operations; one of the same place and name beats it.
  #parameterPlaces(...[operation, item]: Pick<DocumentPlace, 'node' | 'file'>[]): DocumentPlace[] {
    const places = new Map<string, DocumentPlace>()
    const written = [item, operation].flatMap((owner) =>
      listIn(owner?.node, 'parameters').map((node) => this.#placeOf(node, owner?.file ?? '')),
    )
    for (const place of written) {
      places.set(`${String(memberOf(place.node, 'in'))} ${String(memberOf(place.node, 'name'))}`, place)
    }
    return [...places.values()]
  }

  #parameter(place: DocumentPlace): Parameter | undefined {
    if (!this.#parameters.has(place.node))
      this.#parameters.set(place.node, compileParameter(place, this.#schemas, this.#options.commas))
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
    return placeOf(this.#source, node, file)
  }

  // Of a parameter or a body: its own schema, or one for each media type.
  #schemasAt(place: DocumentPlace): DocumentPlace[] {
    const media = Object.values(objectIn(place.node, 'content')).map((one) => this.#placeOf(one, place.file))
    const places = [place, ...media].map((one) => ({ ...one, node: memberOf(one.node, 'schema') }))
    return places.filter(({ node }) => node !== undefined)
  }
}

function nameOf(method: string, path: string, node: unknown): string {
  const name = textIn(node, 'operationId')
  return name === undefined ? `${method} ${path}` : `${method} ${path} (${name})`
}

// OpenAPI 3.2 section 4.9.1: those that a path names as members; others stand in `additionalOperations`.
const methodNames = [...forwardedMethods, 'QUERY', 'TRACE']
