// The gateway for tests of its routes: the real app on an embedded store in memory, a clock the test holds, a user `alice`,
// an administrator `root`, cheap hashing, and every log line kept. Closed by the test's teardown.
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { pino } from 'pino'
import type { Test } from 'tap'
import { adminAudience } from '../../plugins/access-tokens/index.ts'
import { type HashingCost, hashPassword } from '../../plugins/credentials/password.ts'
import { Totals } from '../../plugins/metrics/totals.ts'
import { openEmbeddedStore } from '../../plugins/session-store/embedded/index.ts'
import type { Store } from '../../plugins/session-store/port/store.ts'
import { type AppOptions, buildApp } from '../../src/app.ts'
import { type Config, loadConfig } from '../../src/config/index.ts'
import { Clock } from './clock.ts'
import { listedHosts } from './hosts.ts'

export const password = 'correct horse battery staple'
export const gatewaySecret = 'a secret for tests that is long enough to be one'
export const ownOrigin = 'https://gateway.test'

/** argon2id at its cheapest: a fraction of a millisecond. */
export const cheapCost: HashingCost = { memoryKib: 8, passes: 1, lanes: 1 }

/** A line of the log, parsed. */
export type LogLine = Record<string, unknown>

export interface TestGateway {
  app: FastifyInstance
  store: Store
  clock: Clock
  totals: Totals
  /** Everything logged so far. */
  log: LogLine[]
  /** The lines of events with this reason. */
  events(reason: string): LogLine[]
  /** POSTs JSON. */
  post(url: string, body?: object, options?: InjectOptions): Promise<LightMyRequestResponse>
  /** POSTs a form, as text. */
  postForm(url: string, form: string, options?: InjectOptions): Promise<LightMyRequestResponse>
  /** Signs in with delivery `body` and returns the token response; `root` and `watcher` for the administration. */
  signIn(username?: string, options?: InjectOptions): Promise<Tokens>
  /** The same with a token for the services, whoever it is. */
  signInToServices(username: string): Promise<Tokens>
}

export interface Tokens {
  access_token: string
  token_type: string
  expires_in: number
  refresh_token: string
  refresh_expires_in: number
  session_id: string
  scope: string
}

export interface GatewayOverrides {
  config?: Partial<Config>
  cost?: HashingCost
  /** Hash of alice's password; by default made with the cost. */
  passwordHash?: string
  /** Opens the store, which the app closes; by default an embedded one in memory. */
  openStore?: (clock: Clock) => Promise<Store>
  /** A clock that several gateways share. */
  clock?: Clock
  documents?: AppOptions['documents']
  /** `clock.monotonic` of a test that sets the clock; by default the clock itself, so that nothing seems to be set. */
  monotonic?: AppOptions['monotonic']
  /** Adds `watcher`, who has the role operator. */
  hasOperator?: boolean
}

const administering = new Set(['root', 'watcher'])

/** Starts the gateway; it ends with the test. */
export async function startGateway(t: Test, overrides: GatewayOverrides = {}): Promise<TestGateway> {
  const clock = overrides.clock ?? new Clock(Date.parse('2026-11-01T12:00:00Z'))
  const store = (await overrides.openStore?.(clock)) ?? openEmbeddedStore({ file: ':memory:', clock: clock.now })
  const log: LogLine[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) })
  const cost = overrides.cost ?? cheapCost
  const { documents = new Map() } = overrides
  const totals = new Totals()
  const { monotonic } = overrides
  const more = { documents, logger, clock: clock.now, hashingCost: cost, totals, ...(monotonic && { monotonic }) }
  const app = await buildApp(configOf(overrides), { store, ...more })
  t.teardown(() => app.close())
  await app.ready()
  const passwordHash = overrides.passwordHash ?? (await hashPassword(password, cost))
  await store.users.add({ sub: 'alice', passwordHash, roles: ['user'], scope: 'orders:read orders:write' })
  await store.users.add({ sub: 'root', passwordHash: await hashPassword(password, cost), roles: ['admin'], scope: '' })
  const watcher = { sub: 'watcher', passwordHash, roles: ['operator'], scope: '' }
  if (overrides.hasOperator) await store.users.add(watcher)
  return gatewayOf({ app, store, clock, totals, log })
}

function gatewayOf(parts: Pick<TestGateway, 'app' | 'store' | 'clock' | 'totals' | 'log'>): TestGateway {
  const { app, log } = parts
  const post: TestGateway['post'] = (url, body, options = {}) =>
    app.inject({ method: 'POST', url, ...(body && { payload: body }), ...options })
  return {
    ...parts,
    post,
    events: (reason) => log.filter((line) => line['event'] === reason),
    postForm: (url, form, { headers, ...options } = {}) =>
      app.inject({
        method: 'POST',
        url,
        payload: form,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        ...options,
      }),
    signInToServices: async (username) =>
      (await post('/auth/login', { username, password, delivery: 'body' })).json<Tokens>(),
    signIn: async (username = 'alice', options = {}) => {
      const resource = administering.has(username) ? { resource: adminAudience } : {}
      const response = await post('/auth/login', { username, password, delivery: 'body', ...resource }, options)
      if (response.statusCode !== 200) throw new Error(`login answered ${response.statusCode}: ${response.body}`)
      return response.json<Tokens>()
    },
  }
}

// The defaults of development, but for what a test must not share with the world or wait for.
export function configOf({ config }: Pick<GatewayOverrides, 'config'> = {}): Config {
  return {
    ...loadConfig({ env: {}, directory: '/nowhere' }),
    listen: { host: '127.0.0.1', port: 0 },
    issuer: ownOrigin,
    hosts: { issuer: ownOrigin, listed: listedHosts, loopback: true },
    audiences: [ownOrigin, 'https://orders.test'],
    secrets: [gatewaySecret],
    loginLimit: { max: 1000, windowMs: 60_000 },
    addressLimit: { max: 100_000, windowMs: 60_000 },
    refreshLimit: 'off',
    docs: false,
    ...config,
  }
}

/** `Authorization: Bearer` of a token response. */
export function bearer({ access_token }: Pick<Tokens, 'access_token'>): { authorization: string } {
  return { authorization: `Bearer ${access_token}` }
}

/** What a browser on our own page sends with a cookie. */
export function browserHeaders(cookie?: string): Record<string, string> {
  return { origin: ownOrigin, 'sec-fetch-site': 'same-origin', ...(cookie !== undefined && { cookie }) }
}

/** The one Set-Cookie field of a response, or undefined. */
export function setCookieOf(response: LightMyRequestResponse): string | undefined {
  const field = response.headers['set-cookie']
  return Array.isArray(field) ? field.join(' & ') : field
}

/** The cookies that a response sets, by name: what the browser would send, and the attributes. A cleared one has the value ''. */
export function cookiesSetBy(
  response: LightMyRequestResponse,
): Record<string, { value: string; attributes: string[] }> {
  const fields = [response.headers['set-cookie'] ?? []].flat()
  return Object.fromEntries(
    fields.map((field) => {
      const [pair = '', ...attributes] = field.split('; ')
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals), { value: pair.slice(equals + 1), attributes: attributes.sort() }]
    }),
  )
}

/** `name=value` of the cookie a response sets. */
export function cookiePair(response: LightMyRequestResponse): string {
  return setCookieOf(response)?.split(';', 1)[0] ?? ''
}
