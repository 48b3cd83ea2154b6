// The routes of the config file: each prefix and everything under it for every method that can be forwarded, or, where the
// service's document is known, each of its operations and nothing else. What happens to a request is said in plugins/forward;
// nothing here is.
import type { FastifyCorsOptions } from '@fastify/cors'
import type { FastifyInstance, HTTPMethods } from 'fastify'
import { problem } from '../../plugins/errors/index.ts'
import {
  type CompiledRoute,
  compileRoutes,
  type ForwardedPrefix,
  type ForwardedRoute,
  leaveBody,
  methodsOf,
  type RouteConfig,
  takeMethods,
} from '../../plugins/forward/index.ts'
import { type CompiledDocument, type PublishedPart, publish } from '../../plugins/forward/openapi/index.ts'
import { Undeclared } from '../../plugins/forward/openapi/undeclared.ts'
import type { RouteMeter } from '../../plugins/forward/route/meter.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What is different for this route in @fastify/cors, which reads it and does not declare it. */
    cors?: FastifyCorsOptions
  }
}

export interface UpstreamsOptions {
  routes: readonly RouteConfig[]
  /** By prefix, of the routes that name one and whose document could be had. */
  documents?: ReadonlyMap<string, CompiledDocument>
  /** What each prefix has forwarded so far: it goes on from there, and new ones are added. */
  meters?: Map<string, RouteMeter>
  /** Takes what a document adds to the gateway's own, where that is served. */
  onPublished?: ((part: PublishedPart) => void) | undefined
}

/**
 * Declares the forwarded routes. Encapsulated: bodies are left unread in this scope and in no other.
 * @throws Error with all mistakes of `routes` that their schema cannot see
 */
export default async function upstreams(app: FastifyInstance, options: UpstreamsOptions): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', leaveBody)
  const methods = methodsOf(options.routes)
  takeMethods(app, methods)
  for (const route of compileRoutes(options.routes)) {
    if (options.meters !== undefined) goOnCounting(route, options.meters)
    const forwarded = app.forward(route)
    const document = options.documents?.get(route.prefix)
    if (route.openapi === undefined) declarePrefix(app, route, forwarded, methods)
    else if (document === undefined) declarePrefix(app, route, forwarded.refused(refuseUnknown), methods)
    else {
      declareOperations(app, route, forwarded, document, methods)
      options.onPublished?.(publish(document, route))
    }
  }
}

// One meter for all that has the prefix, one after the other: what is still under way in an app before is counted, too.
function goOnCounting(route: CompiledRoute, meters: Map<string, RouteMeter>): void {
  const known = meters.get(route.prefix)
  if (known === undefined) meters.set(route.prefix, route.meter)
  else route.meter = known
}

// Without its document nobody knows what may be forwarded; it is asked for again and again meanwhile (src/reload/openapi-documents.ts).
function refuseUnknown(): never {
  throw problem('upstream_unavailable', { detail: 'document_missing' })
}

function declareOperations(
  app: FastifyInstance,
  route: CompiledRoute,
  forwarded: ForwardedPrefix,
  { operations }: CompiledDocument,
  methods: readonly string[],
): void {
  for (const documented of operations) {
    const { method, url } = documented.operation.parts
    declare(app, route, [method], url, forwarded.operation(documented))
  }
  const undeclared = new Undeclared(operations)
  const taken = new Set(operations.map(({ operation }) => `${operation.parts.method} ${operation.parts.url}`))
  const refused = forwarded.refused(({ raw }) => {
    throw undeclared.problemOf(raw.url ?? '')
  })
  // The router takes what is spelled out first; what is left would else fall to a shorter prefix.
  for (const url of patternsOf(route.prefix)) {
    const others = methods.filter((method) => !taken.has(`${method} ${url}`))
    declare(app, route, others, url, refused)
  }
}

function declarePrefix(
  app: FastifyInstance,
  route: CompiledRoute,
  forwarded: ForwardedRoute,
  methods: readonly string[],
): void {
  for (const url of patternsOf(route.prefix)) declare(app, route, methods, url, forwarded)
}

function declare(
  app: FastifyInstance,
  { encodedSlashes }: CompiledRoute,
  methods: readonly string[],
  url: string,
  { onRequest, handler }: ForwardedRoute,
): void {
  app.route({
    // Boundary: Fastify's type has a list of its own; it refuses what it does not know.
    method: methods as HTTPMethods[],
    url,
    onRequest,
    handler,
    exposeHeadRoute: false,
    // What a document says of an operation is published as it says it; a wildcard would say nothing.
    schema: { hide: true },
    // Of OPTIONS only a browser's preflight from an allowed origin is the gateway's to answer; see plugins/forward.
    config: {
      streamsBody: true,
      encodedSlashes: encodedSlashes === 'pass',
      cors: { preflightContinue: true, strictPreflight: false },
    },
  })
}

// The router matches whole segments, so that /orders is neither /ordersx nor /order. A route for everything takes any first
// segment: `/*` itself belongs to @fastify/cors, and whatever is spelled out beats both.
function patternsOf(prefix: string): string[] {
  return prefix === '/' ? ['/', '/:segment', '/:segment/*'] : [prefix, `${prefix}/*`]
}
