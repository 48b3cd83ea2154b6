// Lost writes once more, where failover/lost-writes.test.ts has stores only: with real gateway processes, down to what their
// clients and their logs see; and in a Cluster, where one shard of three loses what it had acknowledged.
import t, { type Test } from 'tap'
import { eventually } from '../../../../support/eventually.ts'
import { adminPassword, type Granted, keepAlive, logout, refresh, signIn } from '../../../../support/gateway-client.ts'
import { GatewayProcess } from '../../../../support/processes/gateway-process.ts'
import { newPrefix, type RedisServer } from '../../../../support/redis/server.ts'
import { send, startCluster, startSentinels, until } from '../../../../support/redis/topology.ts'
import { temporaryFolder } from '../../../../support/temporary-folder.ts'
import {
  openNode,
  openSessions,
  present,
  sessionCount,
  sessionOf,
  tokenOf,
  untilReplicated,
} from '../../support/lost-writes.ts'

t.setTimeout(120_000 + sessionCount * 100)

async function startGateways(t: Test, url: string): Promise<[GatewayProcess, GatewayProcess]> {
  const settings = {
    REDIS_URL: url,
    CARDEA_SECRET: 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc',
    CARDEA_ISSUER: 'https://gateway.test',
    CARDEA_ADMIN_PASSWORD: adminPassword,
    CARDEA_LOGIN_LIMIT: '10000/1m',
    CARDEA_REFRESH_LIMIT: 'off',
  }
  const start = () => GatewayProcess.start({ ...settings, CARDEA_DATA_DIR: temporaryFolder(t) })
  const gateways = [await start(), await start()] as const
  t.teardown(async () => {
    for (const gateway of gateways) await gateway.stop()
  })
  return [...gateways]
}

t.test('gateways: clients go on with what they have, and a logout that Redis lost is a logout', async (t) => {
  const { url, primary, replica, replication } = await startSentinels(t)
  const [one, other] = await startGateways(t, url)
  const agent = keepAlive(20)
  t.teardown(() => agent.close())
  const urlOf = (i: number) => (i % 2 === 0 ? one : other).url
  const sessions: Granted[] = []
  for (let i = 0; i < 10; i += 1) sessions.push(await signIn(urlOf(i)))
  // Sentinel leads a replica past the wire, to the primary itself, once it has looked at it for some seconds.
  await send(replica, ['REPLICAOF', '127.0.0.1', String(replication.port)])
  await until(replica, ['INFO', 'replication'], /master_link_status:up/)
  await untilReplicated(primary, replica)
  const untilGranted = async (i: number, token: string) => {
    let granted: string | undefined
    await eventually(
      'the refresh is granted',
      async () => {
        const response = await refresh(urlOf(i), token, agent).catch(() => undefined)
        if (response && response.status !== 200 && response.status !== 503)
          throw new Error(`refused: ${response.status}`)
        granted = response?.refreshToken
        return granted !== undefined
      },
      30_000,
    )
    return granted ?? ''
  }

  replication.silence()
  const [staying, leaving] = [sessions.slice(0, 5), sessions.slice(5)]
  const newest = await Promise.all(staying.map(({ refresh_token }, i) => untilGranted(i, refresh_token)))
  for (const [i, { refresh_token }] of leaving.entries())
    t.equal(await logout(urlOf(i), refresh_token), 204, 'signed out')
  await primary.kill()
  await until(replica, ['ROLE'], /^master/)
  const next = await Promise.all(newest.map((token, i) => untilGranted(i + 1, token)))
  await Promise.all(next.map((token, i) => untilGranted(i, token)))
  for (const { refresh_token } of leaving) {
    for (const i of [0, 1]) t.equal((await refresh(urlOf(i), refresh_token, agent)).status, 400, 'a logout stays one')
  }
  const lines = () => [...one.output, ...other.output]
  await eventually('every heal is in the log', () => {
    const heals = lines().filter((line) => line.includes('"ahead_healed"'))
    return heals.length === staying.length && heals.every((line) => line.includes('1 lost generations adopted'))
  })
  t.ok(
    lines().some((line) => line.includes('A new Redis primary serves')),
    'and so is the failover',
  )
  t.notOk(
    lines().some((line) => line.includes('"ahead_refused"')),
    'no alarm that is none',
  )
})

t.test('Cluster: a shard that loses writes heals its sessions, and those that were ended stay ended', async (t) => {
  const cluster = await startCluster(t)
  const prefix = newPrefix()
  const open = () => openNode(t, cluster.url, { prefix, deadlineMs: 1_000 + 4 * sessionCount })
  const nodes = [await open(), await open()] as const
  const nodeOf = (i: number) => nodes[i % 2] ?? nodes[0]
  const rotated = await openSessions(nodes[0].store, 'rot', sessionCount)
  const ended = await openSessions(nodes[1].store, 'end', sessionCount)
  const [victim, heir] = [cluster.primaries[0], cluster.replicas[0]]
  if (!victim || !heir) throw new Error('no cluster')
  await untilReplicated(victim, heir)
  await stopReplicating(victim, heir)

  const newest = await Promise.all(
    rotated.map(async (session, i) => sessionOf(await present(nodeOf(i), tokenOf(session)))),
  )
  await Promise.all(ended.map(({ sid }, i) => nodeOf(i).store.sessions.end(sid, 'logout')))
  await eventually('both nodes have read all ends', () => nodes.every(({ heard }) => heard.size === ended.length))
  await victim.kill()
  await until(heir, ['ROLE'], /^master/)
  const promotedAt = performance.now()
  const responses = await Promise.all(newest.map((session, i) => present(nodeOf(i), tokenOf(session))))
  const recoveredMs = performance.now() - promotedAt
  const healed = responses.filter(({ outcome }) => outcome === 'healed')
  // A response may get lost while the shards find together again; the client comes back, and is given what it was given.
  const elsewhere = responses.filter(({ outcome }) => outcome === 'rotated' || outcome === 'retried')
  t.ok(healed.length > 0 && elsewhere.length > 0, 'some sessions lay on the shard that lost, some did not')
  const others = responses
    .filter((response) => ![...healed, ...elsewhere].includes(response))
    .map(({ outcome }) => outcome)
  t.strictSame(others, [], 'each goes on with the token it has')
  const returning = await Promise.all(
    ended.flatMap((session) => nodes.map((node) => present(node, tokenOf(session), 10_000))),
  )
  t.ok(
    returning.every(({ outcome }) => outcome === 'revoked'),
    'none that was ended is refreshed at any node',
  )
  t.comment(
    `${healed.length} of ${rotated.length} healed, ${ended.length} stayed ended, all served ${Math.round(recoveredMs)} ms after the promotion`,
  )
})

/** The replica loses its link, and may not have it again; no client notices. */
async function stopReplicating(primary: RedisServer, replica: RedisServer): Promise<void> {
  await send(primary, ['ACL', 'SETUSER', 'default', '-psync', '-sync'])
  await send(primary, ['CLIENT', 'KILL', 'TYPE', 'replica'])
  await until(replica, ['INFO', 'replication'], /master_link_status:down/)
}
