// Real races on one Redis: several nodes, each with connections of its own, refresh, retry and end the same sessions at once.
// The whole history is kept and checked afterwards: one successor per token, no fork, an end is final.
import t, { type Test } from 'tap'
import type { NewSession, RotateOutcome, Session, Store } from '../../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { newPrefix, sharedRedis } from '../../../support/redis/server.ts'
import { ofSessions } from '../contract/scene.ts'

const url = await sharedRedis(t)
const graceMs = 60_000

/** One verb of one node: when it was called and when it was answered, in the order of this process. */
interface Call {
  node: number
  sid: string
  calledAt: number
  respondedAt: number
}
interface Refresh extends Call {
  presented: number
  outcome: RotateOutcome
}
interface End extends Call {
  ended: number
}

/** Ticks once for each thing that happens, so that "before" has no ties. */
let ticks = 0
function tick(): number {
  ticks += 1
  return ticks
}

async function openNodes(t: Test, count: number): Promise<Store[]> {
  const prefix = newPrefix()
  const open = () => openRedisStore({ url, prefix, loadSubjectTag: async () => tagOf, deadlineMs: 10_000 })
  const nodes = await Promise.all(Array.from({ length: count }, open))
  t.teardown(() => Promise.all(nodes.map((node) => node.close())).then(() => undefined))
  return nodes
}

function tagOf(sub: string): string {
  return sub.padEnd(8, '-')
}

async function login(store: Store, sub: string, number: number, change: Partial<NewSession> = {}): Promise<Session> {
  await store.users.add({ sub, passwordHash: '', roles: [], scope: '' })
  const created = await store.sessions.create({
    sid: tagOf(sub) + String(number).padStart(24, '0'),
    sub,
    idleTtlSeconds: 600,
    absoluteTtlSeconds: 3600,
    roles: ['reader'],
    scope: '',
    device: 'race',
    ip: '192.0.2.7',
    amr: ['pwd'],
    maxSessions: 100,
    userRevision: 1,
    ...change,
  })
  if (created.outcome !== 'created') throw new Error(created.outcome)
  return created.session
}

async function refresh(nodes: readonly Store[], node: number, sid: string, presented: number): Promise<Refresh> {
  const calledAt = tick()
  const issuedAtSeconds = Math.floor(Date.now() / 1000)
  const outcome = await (nodes[node] ?? fail()).sessions.rotate(
    { sid, generation: presented, issuedAtSeconds },
    graceMs,
  )
  return { node, sid, calledAt, presented, outcome, respondedAt: tick() }
}

async function end(nodes: readonly Store[], node: number, sid: string): Promise<End> {
  const calledAt = tick()
  const { revocations } = await (nodes[node] ?? fail()).sessions.end(sid, 'logout')
  return { node, sid, calledAt, ended: revocations.length, respondedAt: tick() }
}

function fail(): never {
  throw new Error('no such node')
}

/** A client with a session, on one node: presents the newest token it has been given, again and again. */
async function drive(
  nodes: readonly Store[],
  node: number,
  sid: string,
  times: number,
  history: Refresh[],
): Promise<void> {
  let holds = 1
  for (let i = 0; i < times; i += 1) {
    const call = await refresh(nodes, node, sid, holds)
    history.push(call)
    if (call.outcome.outcome !== 'rotated' && call.outcome.outcome !== 'retried') return
    holds = call.outcome.session.generation
  }
}

/** One successor per token: each generation was made once, by presenting the one before, and by nothing else. */
function assertNoFork(t: Test, history: readonly Refresh[], sid: string): void {
  const made = new Map<number, number>()
  for (const { presented, outcome } of history.filter((call) => call.sid === sid)) {
    if (outcome.outcome !== 'rotated') continue
    const { generation } = outcome.session
    if (generation !== presented + 1) t.fail(`presenting ${presented} made ${generation}`)
    made.set(generation, (made.get(generation) ?? 0) + 1)
  }
  const generations = [...made.keys()].sort((a, b) => a - b)
  t.strictSame(
    generations,
    Array.from({ length: generations.length }, (_, i) => i + 2),
    'no generation is missing',
  )
  t.ok(
    [...made.values()].every((times) => times === 1),
    'each was made once',
  )
}

/** What was answered never goes back: a call that began after another was answered sees at least its generation. */
function assertMonotone(t: Test, history: readonly Refresh[], sid: string): void {
  const granted = history.filter((call) => call.sid === sid && 'session' in call.outcome)
  const generationOf = ({ outcome }: Refresh) => ('session' in outcome ? outcome.session.generation : 0)
  const byCall = granted.toSorted((a, b) => a.calledAt - b.calledAt)
  const byResponse = granted.toSorted((a, b) => a.respondedAt - b.respondedAt)
  let responded = 0
  let highest = 0
  for (const call of byCall) {
    for (; (byResponse[responded]?.respondedAt ?? Infinity) < call.calledAt; responded += 1) {
      highest = Math.max(highest, generationOf(byResponse[responded] ?? call))
    }
    if (generationOf(call) < highest) t.fail(`generation ${generationOf(call)} after ${highest} had been answered`)
  }
}

t.test('four nodes refresh the same sessions at once: one successor per token, no fork', async (t) => {
  const nodes = await openNodes(t, 4)
  const sessions = await Promise.all(Array.from({ length: 8 }, (_, i) => login(nodes[0] ?? fail(), `user${i}`, i)))
  const history: Refresh[] = []
  await Promise.all(
    sessions.flatMap(({ sid }) => nodes.flatMap((_, node) => [1, 2].map(() => drive(nodes, node, sid, 60, history)))),
  )
  t.equal(history.length, 8 * 4 * 2 * 60)
  for (const { sid } of sessions) {
    assertNoFork(t, history, sid)
    assertMonotone(t, history, sid)
  }
  const outcomes = new Set(history.map(({ outcome }) => outcome.outcome))
  t.strictSame([...outcomes].sort(), ['retried', 'rotated'], 'both happened, and nothing else')
  const contended = history.filter(({ outcome }) => outcome.outcome === 'retried').length
  t.ok(contended > history.length / 10, `they did race: ${contended} of ${history.length} were retries`)
})

t.test('an end that races with refreshes is final on every node from its response on', async (t) => {
  const nodes = await openNodes(t, 4)
  const history: Refresh[] = []
  const ends: End[] = []
  for (let round = 0; round < 12; round += 1) {
    const sessions = await Promise.all(
      Array.from({ length: 4 }, (_, i) => login(nodes[0] ?? fail(), `user${i}`, round)),
    )
    await Promise.all(
      sessions.flatMap(({ sid }, i) => [
        ...nodes.map((_, node) => drive(nodes, node, sid, 30, history)),
        // Two nodes end it, one of them after some refreshes.
        drive(nodes, i % 4, sid, 5 + round, history).then(async () => ends.push(await end(nodes, (i + 1) % 4, sid))),
        drive(nodes, (i + 2) % 4, sid, 6 + round, history).then(async () => ends.push(await end(nodes, i % 4, sid))),
      ]),
    )
    for (const { sid } of sessions) history.push(await refresh(nodes, round % 4, sid, 1))
  }
  for (const sid of new Set(ends.map((call) => call.sid))) {
    const ofSession = ends.filter((call) => call.sid === sid)
    t.equal(
      ofSession.reduce((sum, { ended }) => sum + ended, 0),
      1,
      'one of the ends ended it',
    )
    const respondedAt = Math.min(...ofSession.map((call) => call.respondedAt))
    const late = history.filter((call) => call.sid === sid && call.calledAt > respondedAt)
    t.ok(late.length > 0)
    t.ok(
      late.every(({ outcome }) => outcome.outcome === 'revoked'),
      'after the response nothing is granted',
    )
    assertNoFork(t, history, sid)
  }
  t.equal(new Set(ends.map((call) => call.sid)).size, 48)
})

t.test('reuse that races with refreshes of the same session: it ends once, and stays ended', async (t) => {
  const nodes = await openNodes(t, 3)
  for (let round = 0; round < 20; round += 1) {
    const { sid } = await login(nodes[0] ?? fail(), 'thief', round)
    const history: Refresh[] = []
    await drive(nodes, 0, sid, 6, history)
    // Generation 1 was issued long ago, says its token: nothing excuses it.
    const steal = (node: number) =>
      (nodes[node] ?? fail()).sessions.rotate({ sid, generation: 1, issuedAtSeconds: 1 }, 0)
    const [owner, ...thieves] = await Promise.all([drive(nodes, 1, sid, 4, history), steal(1), steal(2), steal(0)])
    t.equal(owner, undefined)
    t.equal(thieves.filter(({ outcome }) => outcome === 'reused').length, 1)
    t.equal(thieves.filter(({ outcome }) => outcome === 'revoked').length, 2)
    for (const [node] of nodes.entries()) {
      t.match(await refresh(nodes, node, sid, 7), { outcome: { outcome: 'revoked', reason: 'revoked_by_reuse' } })
    }
  }
  const { revocations } = await (nodes[0] ?? fail()).sessions.readRevocations({ sinceMs: 0 }, 0)
  t.equal(revocations.length, 20, 'each is in the log once')
})

t.test('logins of one subject on many nodes at once never pass the limit, and each end is told once', async (t) => {
  const nodes = await openNodes(t, 4)
  await login(nodes[0] ?? fail(), 'busy', 0, { maxSessions: 5 })
  const logins = Array.from({ length: 60 }, (_, i) => login(nodes[i % 4] ?? fail(), 'busy', i + 1, { maxSessions: 5 }))
  const sids = (await Promise.all(logins)).map(({ sid }) => sid)
  const live = (await (nodes[1] ?? fail()).sessions.list('busy')).map(({ sid }) => sid)
  t.equal(live.length, 5)
  const { revocations } = await (nodes[2] ?? fail()).sessions.readRevocations({ sinceMs: 0 }, 0)
  t.equal(revocations.length, sids.length + 1 - 5)
  t.equal(
    new Set([...ofSessions(revocations).map(({ sid }) => sid), ...live]).size,
    sids.length + 1,
    'ended or live, never both',
  )
})

t.test('endAll against logins and refreshes: what lived when it was called is ended', async (t) => {
  const nodes = await openNodes(t, 3)
  for (let round = 0; round < 10; round += 1) {
    const before = await Promise.all([1, 2, 3].map((i) => login(nodes[0] ?? fail(), 'mass', round * 10 + i)))
    const history: Refresh[] = []
    const [outcome] = await Promise.all([
      (nodes[1] ?? fail()).sessions.endAll('mass', 'revoked_by_admin'),
      ...before.map(({ sid }) => drive(nodes, 2, sid, 10, history)),
      login(nodes[0] ?? fail(), 'mass', round * 10 + 4),
    ])
    for (const { sid } of before) t.match(await refresh(nodes, 0, sid, 1), { outcome: { outcome: 'revoked' } })
    t.ok(before.every(({ sid }) => outcome.revocations.some((revocation) => revocation.sid === sid)))
    await (nodes[1] ?? fail()).sessions.endAll('mass', 'revoked_by_admin')
  }
})

t.test('the end of everyone against refreshes in flight: final on every node from its response on', async (t) => {
  const nodes = await openNodes(t, 3)
  for (let round = 0; round < 10; round += 1) {
    const sids = (await Promise.all([1, 2, 3].map((i) => login(nodes[0] ?? fail(), `all${i}`, round)))).map(
      ({ sid }) => sid,
    )
    const history: Refresh[] = []
    const ending = async () => {
      const first = sids[0] ?? ''
      await drive(nodes, 0, first, 3 + round, history)
      await (nodes[1] ?? fail()).sessions.endEveryone('revoked_by_admin')
      return tick()
    }
    const [endedAt] = await Promise.all([
      ending(),
      ...sids.flatMap((sid) => nodes.map((_, node) => drive(nodes, node, sid, 30, history))),
    ])
    for (const sid of sids) for (const [node] of nodes.entries()) history.push(await refresh(nodes, node, sid, 1))
    const late = history.filter(({ calledAt }) => calledAt > endedAt)
    t.ok(late.length >= sids.length * nodes.length)
    t.ok(late.every(({ outcome }) => outcome.outcome === 'revoked'))
    const again = await login(nodes[2] ?? fail(), 'all1', 100 + round)
    t.match(
      await refresh(nodes, 0, again.sid, 1),
      { outcome: { outcome: 'rotated' } },
      'who signs in afterwards goes on',
    )
  }
})
