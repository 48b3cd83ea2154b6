// The settings that bound what anybody can do to the gateway: attempts, hashing, staleness, and the size and time of a request.
// A part of the table of settings; nothing else reads it.

import { choice, durationMs, durationSeconds, integer, rate, rateOrOff } from './kinds.ts'
import { fixed, open } from './setting.ts'

const bytes = (most: number) => integer(256, most)
const mebibyte = 1024 * 1024

/** Against too many attempts, too much work and too little news. */
export const protection = {
  loginLimit: fixed(
    {
      name: 'CARDEA_LOGIN_LIMIT',
      key: 'loginLimit',
      meaning: 'Failed sign-ins of one subject by strangers, and by each known device; so many at once, then evenly.',
    },
    rate(),
    '20/3h',
  ),
  addressLimit: fixed(
    {
      name: 'CARDEA_ADDRESS_LIMIT',
      key: 'addressLimit',
      meaning: 'Failed sign-ins from one address (/64 for IPv6), whoever is tried; so many at once, then evenly.',
    },
    rate(),
    '200/2h',
  ),
  refreshLimit: fixed(
    {
      name: 'CARDEA_REFRESH_LIMIT',
      key: 'refreshLimit',
      meaning: 'Rotations of one session, a third of them at once; on each node. Retries never count. off: no limit.',
    },
    rateOrOff(),
    '60/1m',
  ),
  adminMaxAgeSeconds: fixed(
    {
      name: 'CARDEA_ADMIN_MAX_AGE',
      key: 'adminMaxAge',
      meaning: 'What changes something under /admin demands a sign-in that is no older than this.',
    },
    durationSeconds('1m', '1d'),
    '15m',
  ),
  hashingConcurrency: fixed(
    { name: 'CARDEA_HASHING_CONCURRENCY', key: 'hashing.concurrency', meaning: 'Password hashes computed at once.' },
    integer(1, 64),
    '2',
  ),
  hashingQueue: fixed(
    { name: 'CARDEA_HASHING_QUEUE', key: 'hashing.queue', meaning: 'Password hashes that may wait; beyond it 503.' },
    integer(0, 10_000),
    '64',
  ),
  maxStalenessMs: fixed(
    {
      name: 'CARDEA_MAX_STALENESS',
      key: 'maxStaleness',
      meaning: 'After this long without news of revocations the gateway no longer knows them.',
    },
    durationMs('100ms', '1h'),
    '30s',
  ),
  onStale: fixed(
    { name: 'CARDEA_ON_STALE', key: 'onStale', meaning: 'Then forwarded requests get 503 (reject) or pass (serve).' },
    choice('reject', 'serve'),
    'reject',
  ),
  verifyUncovered: fixed(
    {
      name: 'CARDEA_VERIFY_UNCOVERED',
      key: 'verify.uncovered',
      meaning:
        'What /auth/verify says of a request that no route covers: 403 (refuse), or 200 to any valid access token.',
    },
    choice('refuse', 'authenticated'),
    'refuse',
  ),
}

/** Towards the store. */
export const storing = {
  storeTimeoutMs: fixed(
    {
      name: 'CARDEA_STORE_TIMEOUT',
      key: 'storeTimeout',
      meaning: 'How long one verb of Redis may take before it is refused (503); sign-in is four of them.',
    },
    durationMs('50ms', '30s'),
    '400ms',
  ),
}

/** What one request may cost. */
export const limits = {
  headerBytes: fixed(
    {
      name: 'CARDEA_LIMIT_HEADER_BYTES',
      key: 'limits.headerBytes',
      meaning: 'Bytes of a request line and its header fields.',
    },
    integer(2048, mebibyte),
    '16384',
  ),
  headerCount: fixed(
    { name: 'CARDEA_LIMIT_HEADER_COUNT', key: 'limits.headerCount', meaning: 'Header fields of a request.' },
    integer(16, 2000),
    '100',
  ),
  targetBytes: fixed(
    { name: 'CARDEA_LIMIT_TARGET_BYTES', key: 'limits.targetBytes', meaning: 'Bytes of a request target.' },
    bytes(mebibyte),
    '8192',
  ),
  loginBodyBytes: fixed(
    { name: 'CARDEA_LIMIT_LOGIN_BODY_BYTES', key: 'limits.loginBodyBytes', meaning: 'Bytes of a body to /auth/login.' },
    bytes(mebibyte),
    '4096',
  ),
  bodyBytes: fixed(
    {
      name: 'CARDEA_LIMIT_BODY_BYTES',
      key: 'limits.bodyBytes',
      meaning: 'Bytes of a body to any other route of our own.',
    },
    bytes(64 * mebibyte),
    '1048576',
  ),
  bodyMemoryBytes: fixed(
    {
      name: 'CARDEA_LIMIT_BODY_MEMORY',
      key: 'limits.bodyMemoryBytes',
      meaning: 'Bytes of all bodies that are read whole, at once; one address holds a quarter at most. Beyond it 503.',
    },
    bytes(2 ** 40),
    String(64 * mebibyte),
  ),
  connections: open(
    {
      name: 'CARDEA_LIMIT_CONNECTIONS',
      key: 'limits.connections',
      meaning:
        'Client connections that a process (each worker) has open at once; others are turned away. One network holds half at most, unless it is a trusted proxy.',
    },
    integer(1, 10_000_000),
    'half of what the process may open (ulimit -n) beyond 64, at least 16',
  ),
  idleConnections: open(
    {
      name: 'CARDEA_LIMIT_IDLE_CONNECTIONS',
      key: 'limits.idleConnections',
      meaning:
        'Client connections that a process (each worker) keeps between two requests; beyond it the one that was idle for the longest leaves. It leaves, too, where all connections are taken and a client comes.',
    },
    integer(1, 10_000_000),
    'what a twentieth of the memory carries at 20 KiB each, three quarters of the connections at most',
  ),
  headersTimeoutMs: fixed(
    { name: 'CARDEA_HEADERS_TIMEOUT', key: 'limits.headersTimeout', meaning: 'Time for the header fields to arrive.' },
    durationMs('100ms', '10m'),
    '10s',
  ),
  keepAliveTimeoutMs: fixed(
    {
      name: 'CARDEA_KEEP_ALIVE_TIMEOUT',
      key: 'limits.keepAliveTimeout',
      meaning:
        'Idle time of a kept connection. Longer than that of whatever stands in front (nginx and most load balancers: 60 s), which else sends a request just as the connection closes.',
    },
    durationMs('100ms', '1h'),
    '75s',
  ),
  requestTimeoutMs: fixed(
    { name: 'CARDEA_REQUEST_TIMEOUT', key: 'limits.requestTimeout', meaning: 'Time for a whole request to arrive.' },
    durationMs('100ms', '1h'),
    '30s',
  ),
}
