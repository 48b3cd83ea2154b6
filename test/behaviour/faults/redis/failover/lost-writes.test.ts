// Redis loses writes that it had acknowledged: the wire to its replica is dead, the primary is killed, sentinels promote the
// replica. Sessions that were rotated meanwhile go on, sessions that were ended meanwhile stay ended, and a copied token ends
// its session as ever. The short form has 100 sessions of each kind; the long form:
// CARDEA_TEST_LOST_WRITES=1000 npx tap --disable-coverage --timeout=300 test/behaviour/faults/redis/failover/lost-writes.test.ts
import t, { type Test } from 'tap'
import {
  type EndOutcome,
  type RotateOutcome,
  type Session,
  StoreUnavailable,
} from '../../../../../plugins/session-store/port/store.ts'
import { eventually } from '../../../../support/eventually.ts'
import { newPrefix } from '../../../../support/redis/server.ts'
import { startSentinels, type TestSentinels, until } from '../../../../support/redis/topology.ts'
import {
  login,
  type Node,
  openNode,
  openSessions,
  present,
  sessionCount,
  sessionOf,
  tokenOf,
  untilReplicated,
} from '../../support/lost-writes.ts'

t.setTimeout(120_000 + sessionCount * 100)

interface Scene extends TestSentinels {
  nodes: [Node, Node]
  prefix: string
}

async function openScene(t: Test): Promise<Scene> {
  const sentinels = await startSentinels(t)
  const prefix = newPrefix()
  const open = () => openNode(t, sentinels.url, { prefix, deadlineMs: 1_000 + 4 * sessionCount })
  return { ...sentinels, nodes: [await open(), await open()], prefix }
}

/** Kills the primary and waits until the replica is promoted. */
async function failOver({ primary, replica }: Scene): Promise<void> {
  await primary.kill()
  await until(replica, ['ROLE'], /^master/)
}

/** The one or the other, in turn. */
function nodeOf({ nodes }: Scene, i: number): Node {
  return nodes[i % 2] ?? nodes[0]
}

function rotateAll(scene: Scene, sessions: readonly Session[]): Promise<Session[]> {
  return Promise.all(sessions.map(async (session, i) => sessionOf(await present(nodeOf(scene, i), tokenOf(session)))))
}

function countOutcomes(outcomes: readonly RotateOutcome[]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(Object.groupBy(outcomes, ({ outcome }) => outcome)).map(([word, all]) => [word, all?.length ?? 0]),
  )
}

/** Rotates the first session once, the next twice, and so on up to eight times. */
async function rotateDifferently(scene: Scene, sessions: readonly Session[]) {
  const rounds = sessions.map((_, i) => 1 + (i % 8))
  let newest = [...sessions]
  for (let round = 1; round <= 8; round += 1) {
    const rotateIfDue = async (session: Session, i: number) =>
      (rounds[i] ?? 0) < round ? session : sessionOf(await present(nodeOf(scene, i), tokenOf(session)))
    newest = await Promise.all(newest.map(rotateIfDue))
  }
  return { rounds, newest }
}

/** Ends all, at the one node and the other, and waits until both have read it. */
async function endAll(scene: Scene, sessions: readonly Session[]) {
  const startedAt = performance.now()
  const ends = await Promise.all(sessions.map(({ sid }, i) => nodeOf(scene, i).store.sessions.end(sid, 'logout')))
  const tookMs = performance.now() - startedAt
  await eventually('both have read all ends', () => scene.nodes.every(({ heard }) => heard.size === sessions.length))
  return { ends, tookMs }
}

async function assertHealed(t: Test, scene: Scene, newest: readonly Session[], rounds: readonly number[]) {
  const promotedAt = performance.now()
  let firstAfterMs = Number.POSITIVE_INFINITY
  const responses = await Promise.all(
    newest.map(async (session, i) => {
      const response = await present(nodeOf(scene, i), tokenOf(session))
      firstAfterMs = Math.min(firstAfterMs, performance.now() - promotedAt)
      return response
    }),
  )
  t.strictSame(countOutcomes(responses), { healed: newest.length }, 'each goes on with the token it has')
  const lost = responses.map((response) => (response.outcome === 'healed' ? response.lostGenerations : 0))
  t.strictSame(lost, rounds, 'and each heal says how many generations had been lost')
  t.ok(firstAfterMs <= 2000, `the first refresh came ${Math.round(firstAfterMs)} ms after the promotion`)
  const goneOn = await Promise.all(
    responses.map((response, i) => present(nodeOf(scene, i), tokenOf(sessionOf(response)))),
  )
  t.strictSame(countOutcomes(goneOn), { rotated: newest.length }, 'then as ever')
  return firstAfterMs
}

async function assertStayEnded(t: Test, scene: Scene, ended: readonly Session[], ends: readonly EndOutcome[]) {
  const [one, other] = scene.nodes
  const returning = await Promise.all(
    ended.flatMap((session) => scene.nodes.map((node) => present(node, tokenOf(session), 10_000))),
  )
  t.strictSame(countOutcomes(returning), { revoked: 2 * ended.length }, 'none that was ended is refreshed at any node')
  const tombstones = await Promise.all(ended.map(({ sid }) => other.store.sessions.read(sid)))
  const asTheyWere = ends.map(({ revocations }) => [revocations[0]?.at, 'logout'])
  const kept = tombstones.map((tombstone) => [tombstone?.revokedAt, tombstone?.endReason])
  t.strictSame(kept, asTheyWere, 'time and reason as they were')
  const { revocations } = await one.store.sessions.readRevocations({ sinceMs: 0 }, 0)
  const logged = revocations.flatMap((revocation) => (revocation.kind === 'session' ? [revocation.sid] : []))
  const expected = ended.map(({ sid }) => sid).toSorted()
  t.strictSame(logged.toSorted(), expected, 'the log has each of them, once')
  t.ok(
    scene.nodes.every(({ reloads }) => reloads > 0),
    'both nodes have read the log anew',
  )
}

t.test('a failover that loses writes loses no session, brings none back, and forgives no copied token', async (t) => {
  const scene = await openScene(t)
  const [one, other] = scene.nodes
  const rotated = await openSessions(one.store, 'rot', sessionCount)
  const ended = await openSessions(other.store, 'end', sessionCount)
  const stolen = await openSessions(one.store, 'old', 10)
  await one.store.sessions.markDelivered(await rotateAll(scene, stolen))
  await untilReplicated(scene.primary, scene.replica)

  // From here on everything is acknowledged, and lost.
  scene.replication.silence()
  const { rounds, newest } = await rotateDifferently(scene, rotated)
  const created = await Promise.all(rotated.slice(0, 10).map(({ sub }, i) => login(one.store, sub, 5000 + i)))
  const { ends, tookMs } = await endAll(scene, ended)
  t.ok(
    ends.every(({ revocations }) => revocations.length === 1),
    'every logout was answered',
  )
  t.ok(tookMs < 3000, `${ended.length} logouts with a dead replica took ${Math.round(tookMs)} ms together`)
  await failOver(scene)

  const firstAfterMs = await assertHealed(t, scene, newest, rounds)
  await assertStayEnded(t, scene, ended, ends)
  const replays = await Promise.all(stolen.map((session, i) => present(nodeOf(scene, i), tokenOf(session))))
  t.strictSame(countOutcomes(replays), { reused: stolen.length }, 'a superseded token ends its session')
  const lost = countOutcomes(await Promise.all(created.map((session) => present(one, tokenOf(session)))))
  const notices = scene.nodes.flatMap((node) => node.notices)
  t.ok(
    notices.some((notice) => /No Redis replica has acknowledged \d+/.test(notice)),
    'operators heard of the replica',
  )
  t.equal(notices.filter((notice) => /new Redis primary/.test(notice)).length, 2, 'and of the failover, at each node')
  t.comment(
    `${rotated.length} healed, ${ended.length} stayed ended, first refresh ${Math.round(firstAfterMs)} ms after the promotion, ` +
      `${ended.length} logouts in ${Math.round(tookMs)} ms; of ${created.length} logins lost ${lost['unknown'] ?? 0} must sign in again`,
  )
})

t.test('what users and keys were changed by in the lost moments stays, at a node that only heard of it', async (t) => {
  const scene = await openScene(t)
  const [one, other] = scene.nodes
  const { users, keys, sessions } = one.store
  const base = { passwordHash: 'old', roles: ['admin'], scope: '' }
  for (const sub of ['disabled', 'password', 'demoted', 'same']) await users.add({ sub, ...base })
  const key = { id: 'leaked', use: 'signing', alg: 'ES256', createdAt: 1, activeFrom: 1, sealed: 'c2VhbGVk' } as const
  await keys.add(key)
  const old = await Promise.all(['disabled', 'password', 'demoted'].map((sub, i) => login(one.store, sub, i)))
  await untilReplicated(scene.primary, scene.replica)

  scene.replication.silence()
  await users.change('disabled', { disabled: true })
  await users.change('password', { passwordHash: 'new' })
  await users.change('password', { passwordHash: 'newest' })
  await users.change('demoted', { roles: [] })
  await users.add({ sub: 'added', ...base })
  await keys.remove(key.id)
  await sessions.revoke({ kind: 'signing_key', kid: key.id })
  // The log comes in order: who has heard of the last has heard of all.
  const last = await login(one.store, 'same', 9)
  await sessions.end(last.sid, 'logout')
  await eventually('the other node has heard of it', () => other.heard.has(last.sid))
  await one.store.close()
  await failOver(scene)

  const responses = await Promise.all(old.map((session) => present(other, tokenOf(session))))
  t.strictSame(countOutcomes(responses), { user_changed: old.length }, 'no session of before goes on')
  const now = async (sub: string) => (await other.store.users.find(sub)) ?? {}
  t.match(await now('disabled'), { disabled: true, revision: 2 })
  t.match(await now('password'), { passwordHash: 'newest', revision: 3 })
  t.match(await now('demoted'), { roles: [], revision: 2 })
  t.match(await now('added'), { roles: ['admin'], revision: 1 })
  t.match(await now('same'), { passwordHash: 'old', revision: 1 })
  await t.rejects(login(other.store, 'disabled', 10), /user_changed/, 'who has read the old record gets no session')
  t.ok(
    (await other.store.users.list('', 10)).some(({ sub }) => sub === 'added'),
    'and is listed',
  )
  t.strictSame(await other.store.keys.list(), [], 'a leaked key is gone')
  t.equal(await other.store.keys.add(key), false, 'for good')
})

t.test(
  'signing keys that were added in the lost moments are told to the new primary, by whoever knows them',
  async (t) => {
    const scene = await openScene(t)
    const [one, other] = scene.nodes
    const keyOf = (id: string) =>
      ({ id, use: 'signing', alg: 'ES256', createdAt: 1, activeFrom: 1, sealed: 'c2VhbGVk' }) as const
    const changes = () => other.notices.filter((notice) => /sealed keys/.test(notice)).length
    await one.store.users.add({ sub: 'ana', passwordHash: '', roles: [], scope: '' })
    const session = await login(one.store, 'ana', 1)
    await untilReplicated(scene.primary, scene.replica)

    scene.replication.silence()
    await one.store.keys.add(keyOf('seen'))
    await eventually('the other node has seen it', () => changes() === 1)
    await one.store.close()
    await other.store.keys.add(keyOf('own'))
    await failOver(scene)

    t.match(await present(other, tokenOf(session)), { outcome: 'rotated' })
    const ids = async () => (await other.store.keys.list()).map(({ id }) => id).sort()
    t.strictSame(await ids(), ['own', 'seen'])
    await other.store.keys.add(keyOf('next'))
    await eventually('it has looked again', async () => changes() >= 2 && (await ids()).length === 3)
    t.equal(changes(), 2, 'and was never told that they are gone')
  },
)

t.test('a sign-in and a change of a user wait until a new primary has been told', async (t) => {
  const scene = await openScene(t)
  const [one, other] = scene.nodes
  await one.store.users.add({ sub: 'ana', passwordHash: 'old', roles: [], scope: '' })
  await untilReplicated(scene.primary, scene.replica)
  scene.replication.silence()
  await one.store.users.change('ana', { disabled: true })
  await failOver(scene)
  const attempts = Array.from({ length: 20 }, async (_, i) => {
    for (const end = performance.now() + 30_000; ; ) {
      try {
        return await login([one, other][i % 2]?.store ?? one.store, 'ana', i).then(() => 'created')
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) return error instanceof Error ? error.message : 'odd'
        if (performance.now() > end) return 'late'
      }
    }
  })
  t.strictSame([...new Set(await Promise.all(attempts))], ['user_changed'], 'none is let in by the old record')
  t.equal(await one.store.users.change('ana', { disabled: false }, 1), false, 'nor is a change made to it')
})
