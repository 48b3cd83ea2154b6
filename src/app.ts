// The wiring: which plugins the gateway takes from the shelf, in the order in which a request meets them, and its routes. It
// reads no environment and opens nothing but what it is given.
import fastifyCors, { type FastifyCorsOptions } from '@fastify/cors'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerFactory,
  LogController,
} from 'fastify'
import accessLog from '../plugins/access-log/index.ts'
import { adminAudience } from '../plugins/access-tokens/index.ts'
import audit from '../plugins/audit/index.ts'
import authRoutes from '../plugins/auth-routes/index.ts'
import { compileStrictly } from '../plugins/auth-routes/strict-schema.ts'
import jsonBody from '../plugins/body-parsers/json.ts'
import bodyMemory from '../plugins/body-parsers/memory.ts'
import cookies, { cookiePlaces } from '../plugins/browser/cookies.ts'
import crossOrigin from '../plugins/browser/cors.ts'
import browserOrigin from '../plugins/browser/origin.ts'
import { registerIdentity } from '../plugins/cardea/identity.ts'
import clientAddress from '../plugins/clients/address.ts'
import type { HashingCost } from '../plugins/credentials/password.ts'
import errors from '../plugins/errors/index.ts'
import forward, { methodsOf } from '../plugins/forward/index.ts'
import type { CompiledDocument, PublishedPart } from '../plugins/forward/openapi/index.ts'
import requestGuard, { serverOptions } from '../plugins/http-edge/index.ts'
import { OwnHosts } from '../plugins/http-edge/own-hosts.ts'
import securityFields from '../plugins/http-edge/security-headers.ts'
import { deriveSecrets } from '../plugins/keys/secrets.ts'
import metrics from '../plugins/metrics/index.ts'
import { Totals } from '../plugins/metrics/totals.ts'
import type { Store } from '../plugins/session-store/port/store.ts'
import swagger from '../plugins/swagger.ts'
import tracing from '../plugins/tracing/index.ts'
import type { Config } from './config/index.ts'
import { droppedLogLines, openLog } from './process/log.ts'
import { requestIds } from './process/request-ids.ts'
import { RequestLog } from './process/request-log.ts'
import admin from './routes/admin/index.ts'
import home from './routes/pages/home.ts'
import ops from './routes/pages/ops.ts'
import health from './routes/system/health.ts'
import metadata from './routes/system/metadata.ts'
import metricsRoute from './routes/system/metrics.ts'
import upstreams from './routes/upstreams.ts'
import verify from './routes/verify.ts'
import { apiInfo, apiTags } from './routes/wire/api-document.ts'

export interface AppOptions {
  /** An open store; the app closes it, unless it is only lent. */
  store: Store
  storeIsLent?: boolean
  /** The documents of services, by the prefix of their route; see openapi-documents.ts. */
  documents?: ReadonlyMap<string, CompiledDocument>
  /** What apps that follow one another in a process count together; by default the app has its own. */
  totals?: Totals
  /**
   * The app that serves until this one does, asked for while this one is built: what it knows of clocks and revocations, the store
   * may have forgotten.
   */
  before?: () => FastifyInstance | undefined
  /** Of a server that several apps share, one after the other; by default the app has its own. */
  serverFactory?: FastifyServerFactory
  /** This node's clock, ms, for access tokens and for what waits to be hashed. The store has its own. */
  clock?: () => number
  /** A clock that nobody sets, ms; by default the machine's, or a given `clock`. */
  monotonic?: () => number
  /** Whether this node is being stopped, as /readyz is to say; never when absent. */
  isStopping?: () => boolean
  logger?: FastifyBaseLogger
  /** Cost of password hashes; OWASP's when absent. */
  hashingCost?: HashingCost
}

type CountingOptions = AppOptions & { totals: Totals }

/**
 * Builds the gateway.
 * @param config every setting, checked
 * @returns an app that is ready to listen or to be injected
 * @throws StoreUnavailable when the store does not answer; Error when its keys are sealed under another secret. What was opened
 * until then is closed, as far as it goes; a store too, unless it is lent.
 */
export async function buildApp(config: Config, options: AppOptions): Promise<FastifyInstance> {
  const log = options.logger ?? openLog(config.logLevel)
  const app = Fastify({
    ...serverOptions(config.limits),
    ...(options.serverFactory && { serverFactory: options.serverFactory }),
    logController: new LogController({ disableRequestLogging: true }),
    // A logger of Fastify's own would listen to the end of each response for lines that this gateway does not write.
    childLoggerFactory: (_none, members) => new RequestLog(log, members),
    genReqId: requestIds(),
    trustProxy: config.trustedProxies.length > 0 ? config.trustedProxies : false,
    // A node loads every revocation that still counts before it serves: a million take some seconds.
    pluginTimeout: 120_000,
  })
  app.log = log
  app.setValidatorCompiler(({ schema }) => compileStrictly(schema))
  const parts: PublishedPart[] = []
  const counting = { ...options, totals: options.totals ?? new Totals() }
  await closedUnless(app, async () => {
    await registerHttp(app, config, counting, parts)
    await registerTokens(app, config, counting)
    await registerRoutes(app, config, counting, parts)
  })
  return app
}

/**
 * Does something that an app cannot do without: when it fails, the app is closed, so that its timers, its connections and what
 * follows the store end with it. A process that reloads goes on living.
 * @throws what `act` throws
 */
export async function closedUnless(app: FastifyInstance, act: () => PromiseLike<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    // What cannot even be closed says less than why.
    await app.close().catch((err) => app.log.warn({ err }, 'an app that could not be built could not be closed either'))
    throw error
  }
}

// How requests are read and answered, whoever sends them.
async function registerHttp(
  app: FastifyInstance,
  config: Config,
  options: CountingOptions,
  parts: readonly PublishedPart[],
): Promise<void> {
  await app.register(errors)
  await app.register(crossOrigin, { origins: config.allowedOrigins })
  await app.register(clientAddress, { trustedProxies: config.trustedProxies })
  const hosts = new OwnHosts(config.hosts)
  const { accessLog: requests, accessLogSample: sampleOneIn } = config
  await app.register(accessLog, { requests, sampleOneIn, network: config.events.network })
  await app.register(requestGuard, { limits: config.limits, hosts })
  await app.register(bodyMemory, { limitBytes: config.limits.bodyMemoryBytes })
  await app.register(tracing, { serviceName: 'cardea', version: apiInfo.version })
  await app.register(audit, {
    node: config.node,
    network: config.events.network,
    counts: options.totals.events,
    ...(options.clock && { clock: options.clock }),
  })
  await app.register(securityFields, { hsts: config.hsts })
  if (config.allowedOrigins.length > 0) await app.register(fastifyCors, corsOptions(config))
  await app.register(jsonBody)
  const usesAccessCookie = config.routes.some(({ accessCookie }) => accessCookie === true)
  await app.register(cookies, { usesAccessCookie })
  const ownOrigin = new URL(config.issuer).origin
  await app.register(browserOrigin, { ownOrigin, allowedOrigins: config.allowedOrigins, hosts })
  await app.register(swagger, {
    enabled: config.docs,
    info: apiInfo,
    // RFC 3986 section 6.2.3: no path is the path `/`.
    basePath: new URL(config.issuer).pathname.replace(/(?<=.)\/$/, ''),
    tags: apiTags,
    cookiePlaces,
    usesAccessCookie,
    parts,
  })
}

// Who may do what, what is forwarded, and what is told of it.
async function registerTokens(app: FastifyInstance, config: Config, options: CountingOptions): Promise<void> {
  const { clock = Date.now, totals } = options
  await registerIdentity(app, {
    ...config,
    ...options,
    audiences: [...config.audiences, adminAudience],
    secrets: deriveSecrets(config.secrets),
    version: apiInfo.version,
  })
  await app.register(forward, { clock })
  await app.register(metrics, { totals, droppedLogLines, version: apiInfo.version })
}

async function registerRoutes(
  app: FastifyInstance,
  config: Config,
  { documents = new Map(), totals: { meters }, clock = Date.now, isStopping = () => false }: CountingOptions,
  parts: PublishedPart[],
): Promise<void> {
  const { issuer, limits, routes } = config
  await app.register(health, { isStopping })
  await app.register(metadata, { issuer })
  await app.register(authRoutes, { bodyLimitBytes: limits.loginBodyBytes, clock })
  await app.register(admin, { bodyLimitBytes: limits.bodyBytes, maxAgeSeconds: config.adminMaxAgeSeconds })
  await app.register(metricsRoute, { token: config.metrics.token })
  await app.register(verify, { ...config.verify, methods: methodsOf(routes) })
  await app.register(ops, { enabled: config.ops })
  await app.register(home, { docs: config.docs, ops: config.ops, isTaken: routes.some(({ prefix }) => prefix === '/') })
  const onPublished = config.docs ? (part: PublishedPart) => void parts.push(part) : undefined
  await app.register(upstreams, { routes, documents, meters, onPublished })
}

// Of preflights; what lets a page read other responses, plugins/browser/cors.ts adds.
function corsOptions(config: Config): FastifyCorsOptions {
  return {
    origin: config.allowedOrigins,
    credentials: true,
    methods: methodsOf(config.routes).filter((method) => method !== 'OPTIONS'),
    maxAge: 600,
    // An OPTIONS that is no preflight is a request like any other.
    strictPreflight: false,
  }
}
