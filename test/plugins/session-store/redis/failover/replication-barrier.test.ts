// Tests of what an end waits for where Redis has replicas, counted in commands: nothing without one, one WAIT for all that
// end together with one, and a bounded while with one that is silent. Refreshes never wait.
import t, { type Test } from 'tap'
import type { RedisLink } from '../../../../../plugins/session-store/redis/connection/link.ts'
import { ReplicationBarrier } from '../../../../../plugins/session-store/redis/failover/replication-barrier.ts'
import { RedisNames } from '../../../../../plugins/session-store/redis/key-names.ts'
import {
  type Node,
  openNode,
  openSessions,
  sessionOf,
  tagOf,
  tokenOf,
} from '../../../../behaviour/faults/support/lost-writes.ts'
import { eventually } from '../../../../support/eventually.ts'
import { type RedisServer, startRedis } from '../../../../support/redis/server.ts'
import { send, until } from '../../../../support/redis/topology.ts'
import { startProxy } from '../../../../support/tcp-proxy.ts'

async function open(t: Test, primary: RedisServer): Promise<Node> {
  // It looks once, at its start: what it sends otherwise is not counted.
  return openNode(t, primary.url, { lookEveryMs: 60_000, deadlineMs: 5_000 })
}

/** How often a server has been sent a command, by scripts or clients. */
async function callsOf(server: RedisServer, command: string): Promise<number> {
  const stats = String(await send(server, ['INFO', 'commandstats']))
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

async function countCalls(server: RedisServer, act: () => Promise<unknown>) {
  const commands = ['evalsha', 'eval', 'set', 'wait'] as const
  const before = await Promise.all(commands.map((command) => callsOf(server, command)))
  await act()
  const after = await Promise.all(commands.map((command) => callsOf(server, command)))
  return Object.fromEntries(commands.map((command, i) => [command, (after[i] ?? 0) - (before[i] ?? 0)]))
}

t.test('without a replica an end is its script and nothing else', async (t) => {
  const primary = await startRedis(t)
  const { store } = await open(t, primary)
  const [first, session] = await openSessions(store, 'ana', 2)
  await store.sessions.end(first?.sid ?? '', 'logout')
  const calls = await countCalls(primary, () => store.sessions.end(session?.sid ?? '', 'logout'))
  t.strictSame(calls, { evalsha: 1, eval: 0, set: 1, wait: 0 }, 'the SET is the tombstone')
})

t.test('with a replica an end is answered when the replica has it; a refresh waits for nothing', async (t) => {
  const primary = await startRedis(t, ['--repl-diskless-sync-delay', '0'])
  const wire = await startProxy(t, primary.port)
  const replica = await startRedis(t, ['--replicaof', `127.0.0.1 ${wire.port}`])
  await until(primary, ['INFO', 'replication'], /state=online/)
  // An online replica is sent nothing before its first acknowledgement, which may take it a second.
  await send(primary, ['SET', 'sent', 'yes'])
  await until(replica, ['GET', 'sent'], /yes/)
  const { store, notices } = await open(t, primary)
  const [first, session, sibling, ...others] = await openSessions(store, 'ana', 210)
  if (!first || !session || !sibling) throw new Error('no sessions')
  await store.sessions.end(first.sid, 'logout')

  const ended = await countCalls(primary, () => store.sessions.end(session.sid, 'logout'))
  t.strictSame(ended, { evalsha: 1, eval: 0, set: 2, wait: 1 }, 'the tombstone, the replication barrier, and one WAIT')
  const tombstone = `c:{${session.sid.slice(0, 8)}}${session.sid.slice(8)}`
  t.ok(await send(replica, ['GET', tombstone]), 'the replica has the tombstone')
  const refreshed = await countCalls(primary, () => store.sessions.rotate(tokenOf(sibling), 0))
  t.strictSame(refreshed, { evalsha: 1, eval: 0, set: 0, wait: 0 })
  const stolen = sessionOf(await store.sessions.rotate({ ...tokenOf(sibling), generation: 3 }, 0))
  await store.sessions.markDelivered([stolen])
  const reused = await countCalls(primary, () => store.sessions.rotate(tokenOf(sibling), 0))
  t.strictSame(reused, { evalsha: 1, eval: 0, set: 2, wait: 1 }, 'reuse ends a session')
  const revoked = await countCalls(primary, () => store.sessions.revoke({ kind: 'token', jti: 'x' }))
  t.equal(revoked['wait'], 1, 'and so does a revocation of a token')
  const half = others.slice(0, 100)
  const together = await countCalls(primary, () =>
    Promise.all(half.map(({ sid }) => store.sessions.end(sid, 'logout'))),
  )
  t.ok((together['wait'] ?? 0) <= 10, `100 ends shared ${together['wait']} WAITs`)
  t.strictSame(notices, [])

  wire.silence()
  const startedAt = performance.now()
  const ends = Promise.all(others.slice(100).map(({ sid }) => store.sessions.end(sid, 'logout')))
  const refreshesMs: number[] = []
  const [live] = await openSessions(store, 'bea', 1)
  let token = live
  for (let i = 0; i < 20 && token; i += 1) {
    const askedAt = performance.now()
    token = sessionOf(await store.sessions.rotate(tokenOf(token), 0))
    refreshesMs.push(performance.now() - askedAt)
  }
  await ends
  const tookMs = performance.now() - startedAt
  t.ok(tookMs < 2_000, `${others.length - 100} ends with a silent replica took ${Math.round(tookMs)} ms together`)
  const medianMs = refreshesMs.toSorted((a, b) => a - b)[10] ?? Infinity
  t.ok(medianMs < 50, `a refresh meanwhile took ${medianMs.toFixed(1)} ms, the median of 20`)
  t.equal(notices.length, 1)
  t.match(notices[0], /No Redis replica has acknowledged \d+ revocations within 100 ms/)
  await store.sessions.revoke({ kind: 'token', jti: 'y' })
  t.equal(notices.length, 1, 'once a minute is enough')
})

t.test('a replica that goes is not waited for', async (t) => {
  const primary = await startRedis(t, ['--repl-diskless-sync-delay', '0'])
  const replica = await startRedis(t, ['--replicaof', `127.0.0.1 ${primary.port}`])
  await until(primary, ['INFO', 'replication'], /state=online/)
  const { store } = await openNode(t, primary.url, { lookEveryMs: 20, deadlineMs: 5_000 })
  const sessions = await openSessions(store, 'ana', 200)
  await replica.kill()
  const isSoon = async () => {
    const { sid } = sessions.pop() ?? { sid: '' }
    return (await countCalls(primary, () => store.sessions.end(sid, 'logout')))['wait'] === 0
  }
  await t.resolves(eventually('an end waits for nobody', isSoon))
})

t.test('in a Cluster only primaries that have replicas are asked, whoever else is there', async (t) => {
  const asked: string[] = []
  const notices: string[] = []
  // Only what the replication barrier uses: three primaries, of which one has replicas.
  const link = {
    deadlineMs: 100,
    command: async () => 'OK',
    commandPrimaries: async (_name, _args, _deadlineMs, isMeant = () => true) => {
      asked.push(...['a:1', 'b:2', 'c:3'].filter(isMeant))
      return new Map(asked.map((address) => [address, address === 'b:2' ? 1 : 0]))
    },
  } as Pick<RedisLink, 'deadlineMs' | 'command' | 'commandPrimaries'> as RedisLink
  const barrier = new ReplicationBarrier({
    link,
    names: new RedisNames('c:', tagOf),
    isCluster: true,
    replicated: () => new Set(['b:2']),
    onUnconfirmed: (sentence) => notices.push(sentence),
  })
  await barrier.confirm('c:{ana-----}')
  t.strictSame([asked, notices], [['b:2'], []])
})
