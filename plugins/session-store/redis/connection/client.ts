// The ioredis client for an address: the one place that knows its options. It must never queue a command while offline and
// never send one twice: the link decides how long a caller waits, and a verb that was answered with 503 must not happen
// later.
import type { SecureContextOptions } from 'node:tls'
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import type { RedisAddress } from './address.ts'
import { TlsConnector, tlsOptions } from './tls.ts'

export type RedisClient = Redis | Cluster
// Without the one option whose type ioredis wants to infer.
type Options = Omit<RedisOptions, 'replyMapping'>

const connectTimeoutMs = 1_000
// A server that is loading its file is asked again whether it is ready after this long.
const readyAgainMs = 250
const maxRetryDelayMs = 250
// A connection that is given up is closed politely for so long: the other side may not be there to agree.
const disconnectTimeoutMs = 50

// ioredis attempts again for ever; how soon is bounded, so that a store that is back is used, and a new
// primary is told what was ended (failover/epochs.ts), within a quarter of a second.
function retryDelay(times: number): number {
  return Math.min(5 * 2 ** Math.min(times, 10), maxRetryDelayMs)
}

/**
 * Makes a client that is not connected yet.
 * @param silenceMs a Cluster's connection that answers nothing for so long is given up
 */
export function createClient(address: RedisAddress, silenceMs: number): RedisClient {
  const { tls, tlsFiles, username, password } = address
  const secure = tls ? tlsOptions(tlsFiles) : undefined
  const common: Options = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(secure && { tls: secure }),
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    maxLoadingRetryTime: readyAgainMs,
    disconnectTimeout: disconnectTimeoutMs,
    retryStrategy: retryDelay,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // Refuses what is under way as soon as its connection is lost; without it ioredis 6.0 leaves it without a response.
    maxRetriesPerRequest: 0,
    // RESP2 needs no HELLO, and nothing is said about this client: the ACL stays small.
    protocol: 2,
    disableClientInfo: true,
  }
  // One that says the name it looks for, which servers behind a shared address need; sentinels give addresses.
  const named = tls ? { Connector: TlsConnector } : {}
  switch (address.form) {
    case 'single':
      return new Redis({ ...common, ...named, ...address.node, reconnectOnError: isDemoted, db: address.db })
    case 'sentinel':
      return new Redis({ ...common, ...sentinelOptions(address, secure), reconnectOnError: isDemoted, db: address.db })
    case 'cluster':
      return new Cluster(address.nodes, clusterOptions({ ...common, ...named }, tls, silenceMs))
  }
}

// A primary that was demoted while we were connected says so, to whoever writes: its address, or the sentinels, may lead to
// another one by now. In a Cluster it says where the slot is (MOVED).
function isDemoted({ message }: Error): boolean {
  return /READONLY|MASTERDOWN/.test(message)
}

function sentinelOptions(
  address: RedisAddress & { form: 'sentinel' },
  secure: SecureContextOptions | undefined,
): Options {
  const { sentinels, primaryName, sentinelPassword } = address
  return {
    sentinels,
    name: primaryName,
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(secure && { enableTLSForSentinelMode: true, sentinelTLS: secure }),
    sentinelRetryStrategy: retryDelay,
    failoverDetector: true,
  }
}

function clusterOptions(common: Options, tls: boolean, silenceMs: number) {
  // ioredis sets these for a Cluster's nodes itself: they connect when needed, and queue until then what the link lets through.
  const { retryStrategy: _nodes, enableOfflineQueue: _queue, ...redisOptions } = common
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    // MOVED and ASK are followed, and a slot that is half moved (TRYAGAIN) is tried again, for less long than the link waits:
    // such a command was not carried out. One whose connection was lost is not sent again, one whose slot nobody serves is
    // refused at once.
    maxRedirections: 16,
    retryDelayOnMoved: 0,
    retryDelayOnTryAgain: 20,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: connectTimeoutMs,
    slotsRefreshInterval: 5_000,
    clusterRetryStrategy: retryDelay,
    redisOptions: { ...redisOptions, socketTimeout: silenceMs },
    // With TLS the certificate is checked against the name that the Cluster announces, not against its address.
    ...(tls && { dnsLookup }),
  } satisfies ClusterOptions
}

const dnsLookup: NonNullable<ClusterOptions['dnsLookup']> = (name, callback) => callback(null, name)
