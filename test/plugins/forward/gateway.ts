// A gateway of the parts that forward, and of nothing else: errors, the request guard, forwarding, and a stand-in for
// authentication. The whole gateway is tested elsewhere.
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Test } from 'tap'
import audit from '../../../plugins/audit/index.ts'
import bodyMemory from '../../../plugins/body-parsers/memory.ts'
import clientAddress from '../../../plugins/clients/address.ts'
import errors, { problem } from '../../../plugins/errors/index.ts'
import forward, { type PolicyConfig, type RouteConfig } from '../../../plugins/forward/index.ts'
import type { CompiledDocument } from '../../../plugins/forward/openapi/index.ts'
import requestGuard, { type RequestLimits, serverOptions } from '../../../plugins/http-edge/index.ts'
import upstreams from '../../../src/routes/upstreams.ts'
import { hostsOfTests } from '../../support/hosts.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

export const limits: RequestLimits = {
  headerBytes: 16_384,
  headerCount: 100,
  targetBytes: 8192,
  bodyBytes: 1_048_576,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 5000,
  requestTimeoutMs: 30_000,
}

export interface ForwardGateway {
  app: FastifyInstance
  port: number
  url: string
  /** Bodies that the gateway's own route `POST /own` has read. */
  ownBodies: unknown[]
}

/** Any request with this field is alice, of the role `user` and the scope `read write`. */
export const asAlice = 'Authorization: Bearer alice'

/** Starts the gateway; the caller closes `app`. */
export async function startGateway(
  routes: RouteConfig[],
  options: {
    limits?: Partial<RequestLimits>
    trustProxy?: string[]
    before?: (app: FastifyInstance) => void
    documents?: ReadonlyMap<string, CompiledDocument>
    /** Of all bodies that are read whole, bytes. */
    bodyMemoryBytes?: number
  } = {},
): Promise<ForwardGateway> {
  const effective = { ...limits, ...options.limits }
  const ownBodies: unknown[] = []
  const app = Fastify({ ...serverOptions(effective), logger: false, trustProxy: options.trustProxy ?? false })
  await app.register(errors)
  await app.register(clientAddress, { trustedProxies: options.trustProxy ?? [] })
  await app.register(requestGuard, { limits: effective, hosts: hostsOfTests })
  await app.register(bodyMemory, { limitBytes: options.bodyMemoryBytes ?? 2 ** 26 })
  await app.register(audit)
  options.before?.(app)
  await app.register(standInForAuthentication)
  await app.register(forward)
  app.get('/own', async () => ({ own: true }))
  app.post('/own', async (request) => {
    ownBodies.push(request.body)
    return { own: true }
  })
  await app.register(upstreams, { routes, documents: options.documents ?? new Map() })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, port: Number(new URL(url).port), url, ownBodies }
}

// The interface of plugins/authenticate.ts, less everything that makes it worth having.
const standInForAuthentication = fp(
  async (app: FastifyInstance) => {
    app.decorateRequest('access', null)
    app.decorate('browserOrigins', { own: 'https://gateway.test', allowed: new Set<string>(), hosts: hostsOfTests })
    app.decorate('tokenStatus', { of: () => 'good' as const, onRevoked: () => undefined })
    app.decorate('authorize', (request, policy: PolicyConfig, options) => {
      if (policy === 'public') return
      const name = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
      if (name === undefined) throw problem('unauthenticated')
      if (options?.audience !== undefined && name !== options.audience) throw problem('invalid_token')
      request.access = claimsOf(name)
      if (policy !== 'authenticated' && policy.roles && !policy.roles.includes('user')) throw problem('forbidden')
    })
  },
  { name: 'authenticate' },
)

function claimsOf(sub: string) {
  return {
    iss: 'http://127.0.0.1',
    aud: 'http://127.0.0.1',
    sub: decodeURIComponent(sub),
    client_id: 'cardea',
    iat: 0,
    exp: 0,
    jti: 'j',
    sid: 'session-of-alice',
    gen: 1,
    scope: 'read write',
    roles: ['user'],
    auth_time: 0,
  }
}

/** A gateway for one test; closed at its end. */
export async function gatewayFor(
  t: Test,
  routes: RouteConfig[],
  options: Parameters<typeof startGateway>[1] = {},
): Promise<ForwardGateway> {
  const gateway = await startGateway(routes, options)
  t.teardown(() => gateway.app.close())
  return gateway
}

/** A recording service for one test; closed at its end. */
export async function upstreamFor(t: Test, response?: Parameters<typeof startFakeUpstream>[0], port?: number) {
  const upstream = await startFakeUpstream(response, port)
  t.teardown(() => upstream.close())
  return upstream
}
