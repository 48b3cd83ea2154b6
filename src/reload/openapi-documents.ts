// The OpenAPI documents of the services that routes name: had at start and on reload, checked, and made ready for the app. A
// file that is wrong is a mistake of the config; a service that does not give its document is away, and its route answers 503
// until it does.
import { fileURLToPath } from 'node:url'
import { type CompiledRoute, compileRoutes, type RouteConfig } from '../../plugins/forward/index.ts'
import {
  type CompiledDocument,
  DocumentError,
  describeRoute,
  documentLimits,
  isDocumentUrl,
  readDocument,
  type SourceDocument,
  trustAt,
} from '../../plugins/forward/openapi/index.ts'
import { ConfigError } from '../config/index.ts'

/** What became of the documents of a config. */
export interface Documents {
  /** By prefix. */
  compiled: ReadonlyMap<string, CompiledDocument>
  /** Routes whose service did not give its document, and a sentence about it. */
  missing: { prefix: string; sentence: string }[]
  /** What somebody should know of the documents that are used. */
  notes: string[]
  /** Every file that the routes are made from, their authorities too: a change of one changes them. */
  files: string[]
}

/** Has documents, and remembers what services gave last: one that is away for a moment loses nothing by a reload. */
export class DocumentSource {
  /** By what it is and how its origin was verified: one route's authority speaks for no other route. */
  readonly #lastGood = new Map<string, SourceDocument>()

  /**
   * Has the documents of all routes that name one.
   * @throws ConfigError with everything that is wrong with documents that are files
   */
  async load(configs: readonly RouteConfig[]): Promise<Documents> {
    const found = await Promise.all(compileRoutes(configs).map((route) => this.#describe(route)))
    const violations = found.flatMap(({ violation }) => violation ?? [])
    if (violations.length > 0) throw new ConfigError(violations)
    return {
      compiled: new Map(found.flatMap(({ prefix, document }) => (document ? [[prefix, document]] : []))),
      missing: found.flatMap(({ prefix, missing }) => (missing === undefined ? [] : { prefix, sentence: missing })),
      notes: found.flatMap(({ notes }) => notes ?? []),
      files: [
        ...found.flatMap(({ document }) => (document ? filesOf(document.source) : [])),
        ...configs.flatMap(({ tls }) =>
          [tls?.caFile, tls?.certFile, tls?.keyFile].filter((path) => path !== undefined),
        ),
      ],
    }
  }

  /**
   * Asks again for the documents that are missing; the others stay as they are.
   * @returns undefined when there is nothing new
   */
  async loadMissing(configs: readonly RouteConfig[], known: Documents): Promise<Documents | undefined> {
    const asked = configs.filter(({ prefix }) => known.missing.some((one) => one.prefix === prefix))
    const found = await this.load(asked)
    if (found.compiled.size === 0) return undefined
    return { ...found, compiled: new Map([...known.compiled, ...found.compiled]), files: known.files }
  }

  async #describe(route: CompiledRoute): Promise<Found> {
    const { prefix, openapi } = route
    if (openapi === undefined) return { prefix }
    const location = openapi.document
    const of = `the document of ${prefix}, ${location}`
    try {
      const limits = { ...documentLimits, files: openapi.maxFiles }
      const source = await readDocument(location, limits, tlsOf(route, location))
      const document = await describeRoute(route, source)
      this.#lastGood.set(keyOf(route, location), source)
      return { prefix, document, notes: notesOf(of, document) }
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error
      if (!isDocumentUrl(location)) return { prefix, violation: `${of}: ${error.message}` }
      return await this.#withoutNews(route, of, error)
    }
  }

  async #withoutNews(route: CompiledRoute, of: string, error: DocumentError): Promise<Found> {
    const { prefix, openapi } = route
    const source = this.#lastGood.get(keyOf(route, openapi?.document ?? ''))
    const missing = `${of}: ${error.message}`
    if (source === undefined) return { prefix, missing }
    const document = await describeRoute(route, source).catch(() => undefined)
    return document === undefined
      ? { prefix, missing }
      : { prefix, document, notes: [`${missing} The last one holds.`] }
  }
}

interface Found {
  prefix: string
  document?: CompiledDocument
  violation?: string
  missing?: string
  notes?: string[]
}

function tlsOf(route: CompiledRoute, location: string) {
  return isDocumentUrl(location) ? trustAt(route, location) : undefined
}

function keyOf(route: CompiledRoute, location: string): string {
  return JSON.stringify([location, tlsOf(route, location)])
}

function notesOf(of: string, { warnings }: CompiledDocument): string[] {
  return warnings.map((warning) => `${of}: ${warning}`)
}

function filesOf({ files }: SourceDocument): string[] {
  return [...files.keys()].filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url))
}
