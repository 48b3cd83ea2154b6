// The checks of a Redis before the gateway trusts it, made once at start. Every complaint says what to change. It must never
// change anything on the server.
import type { Redis } from 'ioredis'
import { StoreUnavailable } from '../../port/store.ts'
import type { RedisClient } from '../connection/client.ts'

/** Streams trimmed by age need 6.2. */
const oldestVersion = [6, 2] as const
const clockDistanceMs = 1_000

/**
 * The rule of the gateway's user: exactly the commands that the adapter and ioredis send, on keys `c:` only. `eval` sends a
 * script's text when the server does not know it; a script may do no more than its user. A Cluster needs
 * `clusterAclRule` too.
 */
export const aclRule =
  'resetkeys ~c:* resetchannels -@all +evalsha +eval +info +ping +select +client|info +time +wait +exists +get +set +pexpire +pttl +hget +hmget ' +
  '+hset +hsetnx +hdel +hgetall +hvals +hincrby +xadd +xread +xrevrange +hlen +zadd +zcard +zrange +zrem +zrangebylex +pfadd +pfcount'

/** What a Cluster needs besides: what ioredis asks it, and the look whether a revocation is in the log already. */
export const clusterAclRule = '+cluster|slots +cluster|info +asking +xrange'

/** Whether an error, in ioredis' words, says that no connection was there to send on, or that it closed before the response. */
export function saysLost(message: string): boolean {
  return /Stream isn't writeable|Connection is closed|max retries per request/.test(message)
}

export interface RedisFindings {
  /** `Redis 7.0.15`, `Valkey 8.1.1`. */
  server: string
  /** Redis 7 or newer: a script may say in its first line what it does (`#!lua flags=…`). */
  knowsScriptFlags: boolean
  /** Sentences; any of them must stop the start. */
  errorResponses: string[]
  /** Sentences for the log. */
  warnings: string[]
}

/**
 * Looks at every primary: version, memory policy, role, clock, and whether it is part of a Cluster when it should be.
 * @param isClusterExpected REDIS_URL was redis+cluster://
 * @throws StoreUnavailable when a server does not answer, or does not let this user ask
 */
export async function checkRedis(client: RedisClient, isClusterExpected: boolean): Promise<RedisFindings> {
  const servers = 'nodes' in client ? client.nodes('master') : [client]
  const findings = await Promise.all(servers.map((server) => checkServer(server, isClusterExpected)))
  return {
    server: findings[0]?.server ?? 'Redis',
    knowsScriptFlags: findings.every(({ knowsScriptFlags }) => knowsScriptFlags),
    errorResponses: [...new Set(findings.flatMap(({ errorResponses }) => errorResponses))],
    warnings: [...new Set(findings.flatMap(({ warnings }) => warnings))],
  }
}

async function checkServer(server: Redis, isClusterExpected: boolean): Promise<RedisFindings> {
  const { info, distanceMs } = await ask(server)
  return {
    server: `${info['server_name'] === 'valkey' ? 'Valkey' : 'Redis'} ${info['valkey_version'] ?? info['redis_version']}`,
    knowsScriptFlags: Number.parseInt(info['redis_version'] ?? '', 10) >= 7,
    errorResponses: [
      ...versionErrors(info['redis_version'] ?? ''),
      ...policyErrors(info['maxmemory_policy']),
      ...roleErrors(info['role']),
      ...clusterErrors(info['cluster_enabled'] === '1', isClusterExpected),
    ],
    warnings: clockWarnings(distanceMs),
  }
}

// INFO says the memory policy too, so CONFIG, which managed services forbid, is not needed.
async function ask(server: Redis): Promise<{ info: Record<string, string>; distanceMs: number }> {
  try {
    return { info: parseInfo(await server.info()), distanceMs: await clockDistance(server) }
  } catch (error) {
    throw new StoreUnavailable(`Redis: ${error instanceof Error ? error.message : error}`)
  }
}

/**
 * Where a connection really is, as the server says it: a SELECT that it refused leaves it in database 0.
 * @returns undefined when it is where it should be; else what to change
 */
export async function misplacement(client: Redis, database: number): Promise<string | undefined> {
  const said = await client.call('CLIENT', 'INFO').then(String, (error: Error) => error.message)
  const [, actual] = /(?:^| )db=(\d+)(?: |$)/.exec(said) ?? []
  if (actual === String(database)) return undefined
  const why =
    actual === undefined ? `it does not say where it is (${said})` : `its connections are in database ${actual}`
  return (
    `database ${database} of REDIS_URL is refused: ${why}. Name a database that the server has ` +
    '(`databases` in redis.conf), and allow the user +select and +client|info'
  )
}

function versionErrors(version: string): string[] {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldestVersion[0] || (major === oldestVersion[0] && minor >= oldestVersion[1])) return []
  return [`Redis ${oldestVersion.join('.')} or newer is needed; this server is ${version || 'of unknown version'}.`]
}

function policyErrors(policy: string | undefined): string[] {
  return policy === 'noeviction' ? [] : [policySentence(policy)]
}

/** What is wrong with a policy that is not `noeviction`, and what to run. */
export function policySentence(policy: string | undefined): string {
  return (
    `Redis may evict keys (maxmemory-policy ${policy}): an evicted tombstone would bring an ended session back to life. ` +
    "Set 'maxmemory-policy noeviction' in redis.conf, or run: redis-cli config set maxmemory-policy noeviction"
  )
}

function roleErrors(role: string | undefined): string[] {
  if (role === 'master') return []
  return [`This Redis is a ${role}, which cannot be written to: point REDIS_URL to the primary, or to the sentinels.`]
}

function clusterErrors(isCluster: boolean, isExpected: boolean): string[] {
  if (isCluster === isExpected) return []
  return [
    isCluster
      ? 'This Redis is part of a Cluster: write REDIS_URL as redis+cluster://host:port,host:port'
      : 'This Redis is no part of a Cluster: write REDIS_URL as redis://host:port',
  ]
}

function clockWarnings(distanceMs: number): string[] {
  if (Math.abs(distanceMs) <= clockDistanceMs) return []
  return [
    `The clock of Redis is ${Math.abs(Math.round(distanceMs))} ms ${distanceMs > 0 ? 'ahead of' : 'behind'} this machine's: ` +
      'access tokens are checked by this clock, sessions by the other. Set both by NTP.',
  ]
}

// Positive: Redis is ahead. Half of the round trip is taken off.
async function clockDistance(server: Redis): Promise<number> {
  const sentAt = Date.now()
  const [seconds, microseconds] = await server.time()
  const respondedAt = Date.now()
  return Number(seconds) * 1000 + Number(microseconds) / 1000 - (sentAt + respondedAt) / 2
}

function parseInfo(text: string): Record<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}
