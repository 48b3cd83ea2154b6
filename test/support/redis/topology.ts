// Real Redis with more than one server, on loopback: a Cluster of three primaries with a replica each, and a primary with a
// replica under three sentinels. Everything started here is ended by the test that started it.

import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from '../processes/free-port.ts'
import { startProxy, type TcpProxy } from '../tcp-proxy.ts'
import { type RedisServer, startRedis } from './server.ts'

/** What a test needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void> | void): void
}

const slotCount = 16_384
/** How long a primary is silent before it is held to be dead, ms. */
const silenceMs = 1_000

export interface TestCluster {
  url: string
  primaries: RedisServer[]
  replicas: RedisServer[]
}

/** Three primaries, a third of the slots each, and three replicas. */
export async function startCluster(t: Ending): Promise<TestCluster> {
  const settings = [
    '--cluster-enabled',
    'yes',
    '--cluster-node-timeout',
    `${silenceMs}`,
    '--repl-diskless-sync-delay',
    '0',
  ]
  const start = async () => {
    // The bus listens 10,000 above the port.
    for (;;) {
      const port = await freePort()
      if (port < 55_000) return startRedis(t, { args: settings, port })
    }
  }
  const servers = []
  for (let i = 0; i < 6; i += 1) servers.push(await start())
  const [primaries, replicas] = [servers.slice(0, 3), servers.slice(3)]
  await meet(servers)
  await Promise.all(primaries.map((server, i) => assignSlots(server, i, primaries.length)))
  await Promise.all(replicas.map((replica, i) => replicate(replica, primaries[i] ?? replica)))
  await Promise.all(servers.map((server) => until(server, ['CLUSTER', 'INFO'], /cluster_state:ok/)))
  await Promise.all(replicas.map((server) => until(server, ['INFO', 'replication'], /master_link_status:up/)))
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`)
  return { url: `redis+cluster://${hosts.join(',')}`, primaries, replicas }
}

async function meet(servers: readonly RedisServer[]): Promise<void> {
  const [first, ...others] = servers
  for (const { port } of others) if (first) await send(first, ['CLUSTER', 'MEET', '127.0.0.1', `${port}`])
  await Promise.all(servers.map((server) => until(server, ['CLUSTER', 'INFO'], /cluster_known_nodes:6/)))
}

async function assignSlots(server: RedisServer, index: number, count: number): Promise<void> {
  const [from, to] = [Math.ceil((slotCount * index) / count), Math.ceil((slotCount * (index + 1)) / count) - 1]
  const slots = Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`)
  await send(server, ['CLUSTER', 'ADDSLOTS', ...slots])
  // Each its own epoch, as `redis-cli --cluster create` does it.
  await send(server, ['CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`]).catch(() => undefined)
}

async function replicate(replica: RedisServer, primary: RedisServer): Promise<void> {
  const id = String(await send(primary, ['CLUSTER', 'MYID']))
  await until(replica, ['CLUSTER', 'NODES'], new RegExp(id))
  await send(replica, ['CLUSTER', 'REPLICATE', id])
}

export interface TestSentinels {
  url: string
  primary: RedisServer
  replica: RedisServer
  /** The wire from the replica to the primary. */
  replication: TcpProxy
}

/** A primary named `gw`, a replica, and three sentinels of which two must agree. */
export async function startSentinels(t: Ending): Promise<TestSentinels> {
  const primary = await startRedis(t, ['--repl-diskless-sync-delay', '0'])
  const replication = await startProxy(t, primary.port)
  const replica = await startRedis(t, ['--replicaof', `127.0.0.1 ${replication.port}`])
  await until(replica, ['INFO', 'replication'], /master_link_status:up/)
  const sentinels = []
  for (let i = 0; i < 3; i += 1) sentinels.push(await startRedis(t, { sentinelFile: sentinelFile(primary) }))
  for (const sentinel of sentinels) {
    await until(sentinel, ['SENTINEL', 'MASTER', 'gw'], /num-slaves,1,num-other-sentinels,2/)
  }
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`)
  return { url: `redis+sentinel://${hosts.join(',')}/gw`, primary, replica, replication }
}

function sentinelFile({ port }: RedisServer): string {
  const monitor = `sentinel monitor gw 127.0.0.1 ${port} 2`
  return [monitor, `sentinel down-after-milliseconds gw ${silenceMs}`, 'sentinel failover-timeout gw 5000', ''].join(
    '\n',
  )
}

/** Sends one command to one server, whatever its state. */
export async function send(server: RedisServer, [command = '', ...args]: readonly string[]): Promise<unknown> {
  const options = {
    host: '127.0.0.1',
    port: server.port,
    protocol: 2,
    enableReadyCheck: false,
    disableClientInfo: true,
  } as const
  const redis = new Redis({ ...options, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    return await redis.call(command, args)
  } finally {
    redis.disconnect()
  }
}

/** Asks until the response is the one awaited. @throws when it does not come in half a minute */
export async function until(server: RedisServer, command: readonly string[], awaited: RegExp): Promise<void> {
  let response = ''
  for (let attempts = 0; attempts < 600; attempts += 1) {
    response = String(await send(server, command).catch(String))
    if (awaited.test(response)) return
    await delay(50)
  }
  throw new Error(`${command.join(' ')} never answered ${awaited}: ${response}`)
}
