// The plugin that forwards: it turns routes of the config into hooks and handlers, which whoever registers it declares
// (src/routes/upstreams.ts). What happens to a request is in Forwarder and Exchange.
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import fp from 'fastify-plugin'
import { Forwarder } from './forwarder.ts'
import type { DocumentedOperation } from './openapi/compile.ts'
import { sendValidated } from './openapi/validate-request.ts'
import { PolicyLookup } from './policy-lookup.ts'
import { closeRevokedStreams } from './revoked-streams.ts'
import type { CompiledRoute } from './route/compile.ts'
import type { ExchangePlace } from './route/places.ts'
import { HealthChecks } from './upstream/health-check.ts'
import { Upstreams } from './upstream/upstreams.ts'
import { endTunnels } from './websocket/upgrade.ts'

export { identityOf } from './headers/forwarded.ts'
export type { CompiledRoute, ForwardedMethod, PolicyConfig, RouteConfig } from './route/compile.ts'
export { compileRoutes, forwardedMethods, reservedPrefixes, routeSchema, routeViolations } from './route/compile.ts'
export { takeMethods } from './route/methods.ts'
export { methodsOf } from './route/policies.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes the hook and the handler of one route, and opens its connections. */
    forward(route: CompiledRoute): ForwardedPrefix
    /** The route by which a request is forwarded, and its policies; see `PolicyLookup`. */
    policyLookup: PolicyLookup
    /** The routes, with what each has forwarded and how its instances are. */
    forwardedRoutes: readonly CompiledRoute[]
  }
  interface FastifyRequest {
    /** What the client is told about the limit of the route: names and values in turn. */
    limitFields: string[] | null
    /** Where it was sent, and what came of it; null while it was not. */
    place: ExchangePlace | null
  }
}

/** What a Fastify route is declared with. */
export interface ForwardedRoute {
  onRequest: (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void
  handler: (request: FastifyRequest, reply: FastifyReply) => void
}

/** A forwarded prefix, and the operations under it where its document is known. */
export interface ForwardedPrefix extends ForwardedRoute {
  operation(documented: DocumentedOperation): ForwardedRoute
  /** What no operation answers; `refuse` throws. */
  refused(refuse: (request: FastifyRequest) => never): ForwardedRoute
}

export interface ForwardOptions {
  /** A clock, ms, for the windows of limits; this node's when absent. */
  clock?: () => number
}

async function forward(app: FastifyInstance, { clock = Date.now }: ForwardOptions): Promise<void> {
  const upstreams = new Upstreams(
    ({ prefix, meter }, { origin }, outMs) => {
      meter.ejected(origin)
      app.log.warn({ prefix, origin, outMs }, 'an instance failed too often and is left alone')
    },
    (code) => app.outages.noteLack(code),
  )
  const healthChecks = new HealthChecks(upstreams, ({ prefix }, { origin, isSick }) =>
    app.log.warn({ prefix, origin, isSick }, isSick ? 'an instance is not well' : 'an instance is well again'),
  )
  const policyLookup = new PolicyLookup()
  const routes: CompiledRoute[] = []
  app.decorate('forwardedRoutes', routes)
  app.decorateRequest('place', null)
  app.decorateRequest('limitFields', null)
  app.decorateRequest('websocketUpgrade', null)
  app.decorate('policyLookup', policyLookup)
  app.decorate('forward', (route: CompiledRoute): ForwardedPrefix => {
    upstreams.open(route)
    healthChecks.open(route)
    policyLookup.addRoute(route)
    routes.push(route)
    return prefixOf(new Forwarder(app, upstreams, route, clock), (documented) =>
      policyLookup.addOperation(route, documented),
    )
  })
  app.addHook('preClose', async () => {
    upstreams.closing = true
    endTunnels(upstreams)
  })
  const stopCutting = closeRevokedStreams(app, upstreams)
  app.addHook('onClose', async () => {
    stopCutting()
    healthChecks.close()
    upstreams.close()
  })
}

/**
 * A content type parser that leaves the body where it is. For `'*'`, in the scope of forwarded routes.
 * @param done is called at once
 */
export function leaveBody(_request: FastifyRequest, _body: unknown, done: (error: Error | null) => void): void {
  done(null)
}

function prefixOf(forwarder: Forwarder, addOperation: (documented: DocumentedOperation) => void): ForwardedPrefix {
  const onRequest =
    (documented?: DocumentedOperation): ForwardedRoute['onRequest'] =>
    (request, reply, done) => {
      if (forwarder.admit(request, reply, documented)) done()
    }
  return {
    onRequest: onRequest(),
    handler: (request, reply) => forwarder.forward(request, reply),
    operation: (documented) => {
      addOperation(documented)
      return {
        onRequest: onRequest(documented),
        handler: (request, reply) =>
          sendValidated(documented, request, reply, (body) => forwarder.forward(request, reply, body)),
      }
    },
    refused: (refuse) => ({ onRequest: onRequest(), handler: refuse }),
  }
}

/** Fastify plugin: forwards to services. Needs `authenticate`. */
export default fp(forward, {
  name: 'forward',
  fastify: '5.x',
  dependencies: ['body-memory', 'client-address', 'request-guard', 'authenticate', 'audit'],
  decorators: { fastify: ['authorize', 'browserOrigins', 'tokenStatus', 'audit'], request: ['access'] },
})
