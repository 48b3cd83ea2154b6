// The routes of the config file: each prefix, and everything under it, for every method that can be forwarded.
// Registered by app.ts after the gateway's own routes. What happens to a request is said in plugins/forward; nothing here is.
import type { FastifyCorsOptions } from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { compileRoutes, forwardedMethods, leaveBody, type RouteConfig } from '../../plugins/forward/index.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What is different for this route in @fastify/cors, which reads it and does not declare it. */
    cors?: FastifyCorsOptions
  }
}

export interface UpstreamsOptions {
  routes: readonly RouteConfig[]
}

/**
 * Declares the forwarded routes. Encapsulated: bodies are left unread in this scope and in no other.
 * @throws Error with all mistakes of `routes` that their schema cannot see
 */
export default async function upstreams(app: FastifyInstance, { routes }: UpstreamsOptions): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', leaveBody)
  for (const route of compileRoutes(routes)) {
    const { onRequest, handler } = app.forward(route)
    for (const url of patternsOf(route.prefix)) {
      app.route({
        method: [...forwardedMethods],
        url,
        onRequest,
        handler,
        exposeHeadRoute: false,
        // The service describes its own operations; a wildcard would say nothing.
        schema: { hide: true },
        // An answer of a service has the fields that the service gave it.
        helmet: false,
        // Of OPTIONS only a browser's preflight from an allowed origin is the gateway's to answer; see plugins/forward.
        config: { streamsBody: true, cors: { preflightContinue: true, strictPreflight: false } },
      })
    }
  }
}

// The router matches whole segments, so that /orders is neither /ordersx nor /order. A route for everything takes any first
// segment: `/*` itself belongs to @fastify/cors, and whatever is spelled out beats both.
function patternsOf(prefix: string): string[] {
  return prefix === '/' ? ['/', '/:segment', '/:segment/*'] : [prefix, `${prefix}/*`]
}
