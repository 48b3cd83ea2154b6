// A small gateway for the tests of access tokens: the real plugins over an embedded store in memory, a clock the test holds,
// a route for each kind of policy.
import { createPrivateKey, type KeyObject } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import accessTokens, { type AccessTokensPluginOptions } from '../../../plugins/access-tokens/index.ts'
import audit from '../../../plugins/audit/index.ts'
import authenticate, { type AuthorizeOptions, type Policy, requires } from '../../../plugins/authenticate.ts'
import cookies from '../../../plugins/browser/cookies.ts'
import browserOrigin from '../../../plugins/browser/origin.ts'
import clientAddress from '../../../plugins/clients/address.ts'
import clocks from '../../../plugins/clocks/index.ts'
import errors from '../../../plugins/errors/index.ts'
import { openKey } from '../../../plugins/keys/sealed-key.ts'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import revocation from '../../../plugins/revocation/index.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import sessionStore from '../../../plugins/session-store/index.ts'
import type { SealedKey, Session, Store } from '../../../plugins/session-store/port/store.ts'
import { Clock } from '../../support/clock.ts'
import { hostsOfTests } from '../../support/hosts.ts'

export const secrets = deriveSecrets(['a test secret of more than 32 characters'])
export const issuer = 'https://door.example'
export const startMs = Date.UTC(2026, 10, 23, 12)

export const policies = {
  '/public': 'public',
  '/any': 'authenticated',
  '/admin': { roles: ['admin', 'root'] },
  '/orders': { scopes: ['orders:read', 'orders:write'] },
  '/both': { roles: ['admin'], scopes: ['orders:read'] },
} as const satisfies Record<string, Policy>

export interface KeyGateway {
  app: FastifyInstance
  store: Store
  time: Clock
  /** A session that exists in the store, as after a login. */
  signIn(changes?: { roles?: string[]; scope?: string }): Promise<Session>
  /** Sends a request and tells its outcome and the events it left. */
  call(path: string, headers?: Record<string, string | string[]>): Promise<Called>
  bearer(token: string, path?: string): Promise<Called>
}

export interface Called {
  status: number
  code: string
  challenge: string | undefined
  headers: Record<string, unknown>
  events: string[]
  access: unknown
}

export interface KeyGatewayOptions extends Partial<AccessTokensPluginOptions> {
  maxStalenessMs?: number
}

export const tokenOptions = {
  secrets,
  issuer,
  audiences: [issuer, 'orders'],
  clientId: 'cardea',
  alg: 'ES256',
  ttlSeconds: 300,
  rotateEverySeconds: 30 * 86_400,
  clockToleranceSeconds: 0,
} as const satisfies AccessTokensPluginOptions

export async function openGateway(
  t: Test,
  { maxStalenessMs = 30_000, ...options }: KeyGatewayOptions = {},
): Promise<KeyGateway> {
  const time = new Clock(startMs)
  const clock = time.now
  const store = openEmbeddedStore({ file: ':memory:', clock })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(clientAddress, { trustedProxies: [] })
  await app.register(audit)
  const policy = {
    ...{ graceMs: 10_000, idleTtlSeconds: 7 * 86_400, absoluteTtlSeconds: 30 * 86_400, maxSessions: 100 },
    retryBinding: 'none',
  } as const
  await app.register(sessionStore, { store, secrets, policy })
  await app.register(clocks, { clock, monotonic: clock, toleranceMs: 5_000, tokenLifeMs: 360_000 })
  await app.register(revocation, { keepForSeconds: 300, maxStalenessMs, onStale: 'reject' })
  await app.register(accessTokens, { ...tokenOptions, clock, ...options })
  await app.register(cookies)
  await app.register(browserOrigin, { ownOrigin: issuer, allowedOrigins: [], hosts: hostsOfTests })
  await app.register(authenticate)
  addRoutes(app)
  await app.ready()
  return { app, store, time, ...actions(app, store) }
}

function addRoutes(app: FastifyInstance): void {
  for (const [path, policy] of Object.entries(policies)) {
    app.get(path, { onRequest: requires(policy) }, ({ access }) => ({ access }))
  }
  const particular: Record<string, AuthorizeOptions> = {
    '/for-orders': { audience: 'orders' },
    '/by-cookie': { accessCookie: true },
    '/writes-by-cookie': { accessCookie: true, isRead: false },
  }
  for (const [path, options] of Object.entries(particular)) {
    app.get(path, (request) => {
      app.authorize(request, 'authenticated', options)
      return { access: request.access }
    })
  }
  app.get('/sign-in/:sub', async (request) => {
    // Boundary: the route's pattern has this one parameter.
    const { sub } = request.params as { sub: string }
    const user = await app.store.users.find(sub)
    if (!user) throw new Error('no such user')
    return (await app.sessions.start(user, user.scope, request))?.session
  })
}

let signedIn = 0

function actions(app: FastifyInstance, store: Store) {
  const call = async (path: string, headers: Record<string, string | string[]> = {}): Promise<Called> => {
    const before = app.audit.counts()
    const response = await app.inject({ url: path, headers })
    // Boundary: a response of one of the routes below, or a problem.
    const body = response.json() as { code?: string; access?: unknown }
    return {
      status: response.statusCode,
      code: body.code ?? '',
      challenge: response.headers['www-authenticate']?.toString(),
      headers: response.headers,
      events: eventsSince(before, app.audit.counts()),
      access: body.access,
    }
  }
  const signIn = async ({ roles = [], scope = '' }: { roles?: string[]; scope?: string } = {}): Promise<Session> => {
    const sub = `user-${++signedIn}`
    await store.users.add({ sub, passwordHash: '$argon2id$', roles, scope })
    return (await app.inject(`/sign-in/${sub}`)).json<Session>()
  }
  const bearer = (token: string, path = '/any') => call(path, { authorization: `Bearer ${token}` })
  return { call, signIn, bearer }
}

function eventsSince(before: Record<string, number>, after: Record<string, number>): string[] {
  return Object.entries(after).flatMap(([reason, count]) => Array(count - (before[reason] ?? 0)).fill(reason))
}

/** The gateway's newest private key, opened as only the gateway can: for tokens that are right but for one thing. */
export async function privateKeyOf(store: Store): Promise<{ kid: string; key: KeyObject }> {
  const row = (await store.keys.list()).findLast(({ use }: SealedKey) => use === 'signing')
  const der = row && openKey(row, secrets)
  if (!row || !der) throw new Error('the store has no signing key')
  return { kid: row.id, key: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }) }
}
