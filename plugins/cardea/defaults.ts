// What the plugin `cardea` is set to where nothing is said: what the gateway is, as the test beside it holds.
import type { IdentitySettings } from './identity.ts'

const day = 86_400

const identity: Omit<IdentitySettings, 'issuer' | 'audiences'> = {
  clientId: 'cardea',
  accessTtlSeconds: 300,
  clockToleranceSeconds: 0,
  graceMs: 10_000,
  idleTtlSeconds: 7 * day,
  absoluteTtlSeconds: 30 * day,
  maxSessions: 100,
  retryBinding: 'none',
  signing: { alg: 'ES256', rotateEverySeconds: 30 * day },
  loginLimit: { max: 20, windowMs: 3 * 3_600_000 },
  addressLimit: { max: 200, windowMs: 2 * 3_600_000 },
  refreshLimit: { max: 60, windowMs: 60_000 },
  hashing: { concurrency: 2, queue: 64 },
  maxStalenessMs: 30_000,
  onStale: 'reject',
  events: { kept: 100_000, timelineEntries: 16 },
  signals: { actions: {}, thresholds: {} },
}

/** By option. */
export const defaults = {
  ...identity,
  store: 'data/cardea.db',
  storeTimeoutMs: 400,
  prefix: '/auth',
  bodyLimitBytes: 4096,
  bodyMemoryBytes: 64 * 1024 * 1024,
  trustedProxies: [],
  allowedOrigins: [],
  hosts: [],
  usesAccessCookie: false,
  network: { ipv4: 24, ipv6: 48 },
  clock: Date.now,
}
