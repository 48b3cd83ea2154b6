// The primary changes behind an address that stays: the old one is demoted, lives on as a replica and keeps its connections. Every
// node goes over to the new one by itself, in every form of REDIS_URL, whether it writes meanwhile or only listens.
import t, { type Test } from 'tap'
import { eventually } from '../../../../support/eventually.ts'
import { startRedis } from '../../../../support/redis/server.ts'
import { send, startCluster, startSentinels, until } from '../../../../support/redis/topology.ts'
import { startProxy } from '../../../../support/tcp-proxy.ts'
import { type Node, openNode, openSessions, sessionOf, tokenOf, untilReplicated } from '../../support/lost-writes.ts'

// The promise is 2 s; a machine that runs other tests meanwhile is late by some.
const promisedMs = 2_000
const slackMs = 1_500

/** A primary and its replica, and the one address that leads to whichever is primary. */
async function startPair(t: Test) {
  const old = await startRedis(t, ['--repl-diskless-sync-delay', '0'])
  const heir = await startRedis(t, ['--replicaof', `127.0.0.1 ${old.port}`])
  await until(heir, ['INFO', 'replication'], /master_link_status:up/)
  const address = await startProxy(t, old.port)
  // The old one hears nothing from the new one, as when a network parts them.
  const change = async () => {
    // What is lost in a failover is another test's.
    await untilReplicated(old, heir)
    await send(heir, ['REPLICAOF', 'NO', 'ONE'])
    await send(old, ['REPLICAOF', '127.0.0.1', '1'])
    address.leadTo(heir.port)
  }
  return { url: `redis://127.0.0.1:${address.port}`, change }
}

/** Two nodes with a session each: one goes on writing, one only listens. Both are asked whether they serve when `change` is over. */
async function assertHeals(t: Test, url: string, change: () => Promise<void>) {
  const [writing, listening] = [await openNode(t, url), await openNode(t, url)]
  const [rotated, ended, last] = await openSessions(writing.store, 'u', 3)
  if (!rotated || !ended || !last) throw new Error('no sessions')
  let token = tokenOf(rotated)
  const rotate = async ({ store }: Node) => {
    const outcome = await store.sessions.rotate(token, 10_000).catch(() => undefined)
    if (outcome === undefined) return false
    token = tokenOf(sessionOf(outcome))
    return true
  }
  t.ok(await rotate(writing))
  await change()
  const changedAt = performance.now()
  // The listening node is asked for nothing that writes, until the other one serves.
  await eventually('the node that writes serves', () => rotate(writing))
  await writing.store.sessions.end(ended.sid, 'logout')
  await eventually('the node that listens hears of it', () => listening.heard.has(ended.sid))
  const heardMs = performance.now() - changedAt
  await eventually('the node that listens serves', () => rotate(listening))
  const servedMs = performance.now() - changedAt
  t.ok(
    servedMs < promisedMs + slackMs,
    `heard after ${Math.round(heardMs)} ms, both serve after ${Math.round(servedMs)} ms`,
  )
  await listening.store.ping()
  await listening.store.sessions.end(last.sid, 'logout')
  await eventually('and the other way round', () => writing.heard.has(last.sid))
}

t.test('one address whose primary changes behind it: READONLY heals in both nodes', async (t) => {
  const { url, change } = await startPair(t)
  await assertHeals(t, url, change)
})

t.test('one address whose primary changes: a node that never writes is told nothing by the replica', async (t) => {
  const { url, change } = await startPair(t)
  const node = await openNode(t, url)
  await change()
  // It asked nobody to write, and follows the log of the server that is primary now.
  const beside = await openNode(t, url)
  const [session] = await openSessions(beside.store, 'v', 1)
  if (!session) throw new Error('no session')
  await beside.store.sessions.end(session.sid, 'logout')
  await eventually('the node hears of it', () => node.heard.has(session.sid), promisedMs + slackMs)
})

t.test('Sentinel: a primary that is demoted and keeps its connections is left by both nodes', async (t) => {
  const { url, primary, replica } = await startSentinels(t)
  await assertHeals(t, url, async () => {
    const [, sentinel = ''] = /:(\d+)\//.exec(url) ?? []
    await eventually('the sentinels fail over', async () => {
      const told = await send({ ...primary, port: Number(sentinel) }, ['SENTINEL', 'FAILOVER', 'gw']).catch(String)
      return String(told) === 'OK'
    })
    await until(replica, ['ROLE'], /^master/)
  })
})

t.test('Cluster: a primary that is demoted and keeps its connections is left by both nodes', async (t) => {
  const { url, primaries, replicas } = await startCluster(t)
  await assertHeals(t, url, async () => {
    for (const replica of replicas) {
      await send(replica, ['CLUSTER', 'FAILOVER'])
      await until(replica, ['ROLE'], /^master/)
    }
    for (const primary of primaries) await until(primary, ['ROLE'], /^slave/)
  })
})
