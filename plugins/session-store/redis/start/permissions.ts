// The permissions of the gateway's user, found out at start by doing it without effect: a command that is missing in its rule
// would else be missed at the first logout. Redis checks whether a user may run a command before it looks at its arguments,
// so most of these fail, and what counts is only how. They must never change anything but the key of the readiness check.
import type { Redis } from 'ioredis'
import { StoreUnavailable } from '../../port/store.ts'
import type { RedisClient } from '../connection/client.ts'
import { aclRule, clusterAclRule, saysLost } from './checks.ts'

type Probe = readonly (string | number)[]

/**
 * Each command of the rules with arguments that change nothing.
 * @param key holds a text, if it exists
 */
function probesOf(key: string): Record<string, Probe> {
  return {
    // No script is known by that name.
    evalsha: ['0'.repeat(40), 0],
    eval: ['return 1', 0],
    info: ['server'],
    ping: [],
    // It is no number.
    select: ['-'],
    'client|info': [],
    time: [],
    wait: [0, 0],
    exists: [key],
    get: [key],
    pexpire: [key, 1000],
    pttl: [key],
    hget: [key, 'f'],
    hmget: [key, 'f'],
    // One argument too many.
    hset: [key, 'f', 'v', 'more'],
    hdel: [key, 'f'],
    hgetall: [key],
    hvals: [key],
    hlen: [key],
    hincrby: [key, 'f', 'no number'],
    xadd: [key, 'NOMKSTREAM', '1-1', 'f', 'v'],
    xread: ['COUNT', 1, 'STREAMS', key, '0'],
    xrevrange: [key, '+', '-', 'COUNT', 1],
    zadd: [key, 'XX', 1, 'm'],
    zrem: [key, 'm'],
    zcard: [key],
    zrange: [key, 0, 0],
    zrangebylex: [key, '-', '+'],
    pfcount: [key],
    'cluster|slots': [],
    'cluster|info': [],
    asking: [],
    xrange: [key, '-', '+', 'COUNT', 1],
  }
}

/** Those that would make a key where there is none: tried when `set` has just made it another kind of key. */
function probesOfText(key: string): Record<string, Probe> {
  return { hsetnx: [key, 'f', 'v'], pfadd: [key, 'e'] }
}

const aliveMs = 1_000

/**
 * Tries every command of the rule at every primary.
 * @param key of the readiness check
 * @returns a sentence that names what is missing and the whole rule; undefined when nothing is
 * @throws StoreUnavailable when a connection is lost meanwhile
 */
export async function permissionError(
  client: RedisClient,
  key: string,
  isCluster: boolean,
): Promise<string | undefined> {
  const servers = 'nodes' in client ? client.nodes('master') : [client]
  const rule = isCluster ? `${aclRule} ${clusterAclRule}` : aclRule
  const commands = rule.split(' ').flatMap((word) => (word.startsWith('+') ? [word.slice(1)] : []))
  const refused = await Promise.all(servers.map((server) => refusedAt(server, key, commands)))
  const missing = [...new Set(refused.flat())]
  if (missing.length === 0) return undefined
  return (
    `The user of REDIS_URL lacks permissions that the gateway needs: ${missing.join(' ')}. ` +
    `Give it the whole rule: ACL SETUSER <user> ${rule}`
  )
}

async function refusedAt(server: Redis, key: string, commands: readonly string[]): Promise<string[]> {
  const probes = { set: [key, 1, 'PX', aliveMs], ...probesOf(key) }
  const [isText, ...refused] = await Promise.all([
    reply(server, 'set', probes.set),
    ...commands.map((name) => problem(server, name, probes)),
  ])
  // Elsewhere in a Cluster it cannot be made, and neither can it be by what follows.
  const more = /^(OK|MOVED)/.test(isText) ? probesOfText(key) : {}
  const rest = await Promise.all(commands.map((name) => problem(server, name, more)))
  return [...refused, ...rest].filter((word) => word !== undefined)
}

async function problem(server: Redis, name: string, probes: Record<string, Probe>): Promise<string | undefined> {
  const probe = probes[name]
  if (probe === undefined) return undefined
  const text = await reply(server, name, probe)
  if (!text.startsWith('NOPERM')) return undefined
  return /\baccess\b/.test(text) ? keysRule : `+${name}`
}

const keysRule = aclRule.split(' ').find((word) => word.startsWith('~')) ?? ''

async function reply(server: Redis, name: string, args: Probe): Promise<string> {
  const [command = name, ...words] = name.split('|')
  try {
    return String(await server.call(command, [...words, ...args]))
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (saysLost(message)) throw new StoreUnavailable(`Redis: ${message}`)
    return message
  }
}
