// The plugin `cardea`: sign-in for an app of one's own in one call. It opens the store and registers it with tokens, cookies,
// `authenticate` and the routes below /auth, in the gateway's own order. It only registers; each part is a plugin of the shelf.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import manifest from '../../package.json' with { type: 'json' }
import audit, { type AuditOptions } from '../audit/index.ts'
import authRoutes from '../auth-routes/index.ts'
import bodyMemory from '../body-parsers/memory.ts'
import cookies from '../browser/cookies.ts'
import browserOrigin from '../browser/origin.ts'
import clientAddress from '../clients/address.ts'
import type { HashingCost } from '../credentials/password.ts'
import errors from '../errors/index.ts'
import { isLoopback, OwnHosts } from '../http-edge/own-hosts.ts'
import { deriveSecrets, minimumSecretLength, type Secret } from '../keys/secrets.ts'
import { Totals } from '../metrics/totals.ts'
import { openStore } from '../session-store/open-store.ts'
import type { Store } from '../session-store/port/store.ts'
import { defaults } from './defaults.ts'
import { type IdentitySettings, registerIdentity } from './identity.ts'

export type { AccessClaims } from '../access-tokens/index.ts'
// Named here so that their decorators of the app are known to whoever imports this.
export type { AuditTrail } from '../audit/trail.ts'
export { type AuthorizeOptions, accessOf, type Policy, requires } from '../authenticate.ts'
export type { Credentials } from '../credentials/index.ts'
export { type ErrorCode, Problem, problem } from '../errors/index.ts'
export type { RevocationState } from '../revocation/index.ts'
export type { SessionStoreOptions } from '../session-store/index.ts'
export { openStore } from '../session-store/open-store.ts'
export type { Store } from '../session-store/port/store.ts'

export interface CardeaOptions extends Partial<IdentitySettings>, Pick<AuditOptions, 'node' | 'network'> {
  /** At least 32 characters; of several the first one writes and all of them read, so that it can be changed. */
  secret: string | readonly string[]
  /** The app's URL as clients see it. */
  issuer: string
  /** `redis://…`, the path of the embedded store's file, or a store that is open. Whichever it is, the app closes it. */
  store?: string | Store
  /** How long Redis may take for one verb, ms. */
  storeTimeoutMs?: number
  /** What stands before the paths of the routes. */
  prefix?: string
  /** Most bytes of a body to those routes. */
  bodyLimitBytes?: number
  /** Most bytes of all bodies that are being read. */
  bodyMemoryBytes?: number
  /** Addresses or networks of proxies whose X-Forwarded-For counts. */
  trustedProxies?: readonly string[]
  /** Other origins whose pages may send cookies, exactly as browsers write them; CORS is the app's. */
  allowedOrigins?: readonly string[]
  /** Hosts beside the issuer's by which a page may call this app its own. */
  hosts?: readonly string[]
  /** Whether some route takes the access token from a cookie (`requires(policy, { accessCookie: true })`). */
  usesAccessCookie?: boolean
  /** Cost of password hashes; OWASP's when absent. */
  hashingCost?: HashingCost
  /** A clock, ms. */
  clock?: () => number
}

async function cardea(app: FastifyInstance, given: CardeaOptions): Promise<void> {
  const options = completed(given)
  const { clock, issuer, network, node } = options
  const secrets = secretsOf(options.secret)
  const totals = new Totals()
  await app.register(errors)
  await app.register(clientAddress, { trustedProxies: options.trustedProxies })
  await app.register(bodyMemory, { limitBytes: options.bodyMemoryBytes })
  await app.register(audit, { node, network, counts: totals.events, clock })
  await app.register(cookies, { usesAccessCookie: options.usesAccessCookie })
  await app.register(browserOrigin, {
    ownOrigin: new URL(issuer).origin,
    allowedOrigins: [...options.allowedOrigins],
    hosts: new OwnHosts({ issuer, listed: options.hosts, loopback: isLoopback(new URL(issuer).hostname) }),
  })
  const store = await storeOf(app, options, secrets)
  await registerIdentity(app, { ...options, store, secrets, totals, version: manifest.version })
  await app.register(authRoutes, { prefix: options.prefix, bodyLimitBytes: options.bodyLimitBytes, clock })
}

function completed(given: CardeaOptions) {
  return { ...defaults, audiences: [given.issuer], ...given }
}

function secretsOf(secret: string | readonly string[]): Secret[] {
  const texts = [secret].flat()
  if (texts.length === 0 || texts.some((text) => text.length < minimumSecretLength)) {
    throw new Error(
      `secret: each needs at least ${minimumSecretLength} characters; make one with \`openssl rand -base64 48\``,
    )
  }
  return deriveSecrets(texts)
}

async function storeOf(
  app: FastifyInstance,
  { accessTtlSeconds, clockToleranceSeconds, store, storeTimeoutMs }: ReturnType<typeof completed>,
  secrets: readonly Secret[],
): Promise<Store> {
  if (typeof store !== 'string') return store
  const isRedis = /^rediss?(\+\w+)?:\/\//.test(store)
  return openStore({
    ...(isRedis && { redisUrl: store }),
    file: store,
    isToServe: true,
    secrets,
    tokenLifeSeconds: accessTtlSeconds + clockToleranceSeconds,
    timeoutMs: storeTimeoutMs,
    startTimeoutMs: startTimeoutMs(app),
    onWarning: (sentence) => app.log.warn(sentence),
    onWait: (sentence) => app.log.warn(sentence),
  })
}

// Fastify gives up a plugin after a time of its own (10 s by default, 0 for never), with a sentence that names no store.
function startTimeoutMs({ initialConfig: { pluginTimeout = 10_000 } }: FastifyInstance): number | undefined {
  return pluginTimeout === 0 ? undefined : Math.min(10_000, pluginTimeout / 2)
}

/** Fastify plugin: everything that `store`, `accessTokens`, `credentials`, `authorize` and the routes of /auth need. */
export default fp(cardea, { name: 'cardea', fastify: '5.x' })
