// This node's list of what is revoked: what it refuses, what it forgets, how it follows the log, and when it no longer knows.
import { mock } from 'node:test'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import type { Clocks } from '../../../plugins/clocks/index.ts'
import { type FollowerOptions, RevocationFollower } from '../../../plugins/revocation/follower.ts'
import revocation from '../../../plugins/revocation/index.ts'
import { RevocationList } from '../../../plugins/revocation/list.ts'
import { StoreCondition } from '../../../plugins/session-store/port/condition.ts'
import type { RevocationEntry, RevocationPage, Store } from '../../../plugins/session-store/port/store.ts'
import type { Sessions } from '../../../plugins/session-store/sessions.ts'
import { eventually } from '../../support/eventually.ts'

const ended = (sid: string, at: number): RevocationEntry => ({ kind: 'session', sid, sub: 'ana', at, reason: 'logout' })
const claimsOf = (sid: string, more = {}) => ({ sid, sub: 'ana', jti: `token of ${sid}`, auth_time: 0, ...more })
const page = (position: string, revocations: RevocationEntry[] = [], more = {}): RevocationPage => ({
  revocations,
  position,
  unknownEntries: 0,
  hasGap: false,
  ...more,
})

// A log whose pages the test hands out; it answers reads in order and keeps what was asked.
class ScriptedLog {
  readonly asked: unknown[] = []
  readonly #responses: (RevocationPage | Error)[]
  #release: () => void = () => undefined

  constructor(responses: (RevocationPage | Error)[]) {
    this.#responses = responses
  }

  readonly store = {
    now: async () => 100_000,
    condition: new StoreCondition(),
    sessions: { readRevocations: (after: unknown) => this.#read(after) },
    // Only what the follower uses; the rest of the port is not reached.
  } as unknown as Store

  async #read(after: unknown): Promise<RevocationPage> {
    this.asked.push(after)
    const response = this.#responses.shift()
    if (response instanceof Error) throw response
    if (response) return response
    return new Promise((resolve) => {
      this.#release = () => resolve(page('end'))
    })
  }

  stop(): void {
    this.#release()
  }
}

interface Followed {
  log: ScriptedLog
  follower: RevocationFollower
  list: RevocationList
  /** What was told, in words. */
  told: string[]
}

function follow(t: Test, responses: (RevocationPage | Error)[], more: Partial<FollowerOptions> = {}): Followed {
  const log = new ScriptedLog(responses)
  const list = new RevocationList(1_000_000, () => 0)
  const told: string[] = []
  const follower = new RevocationFollower({
    store: log.store,
    onRevoked: (revocations) => revocations.map((one) => list.add(one)),
    lookBackMs: 5_000,
    clock: () => 100_000,
    waitMs: 1_000,
    onFailure: (error) => told.push(String(error)),
    onUnknown: (entries) => told.push(`${entries} unknown`),
    onReloaded: () => told.push('reloaded'),
    ...more,
  })
  t.teardown(() => {
    follower.stop()
    log.stop()
  })
  return { log, follower, list, told }
}

t.test('an entry stays as long as a token could outlive its session, and no longer', async (t) => {
  let at = 1_000
  const list = new RevocationList(300_000, () => at)
  const forgettable: RevocationEntry[] = [
    ended('a', 1_000),
    { kind: 'subject', sub: 'bo', at: 1_000, reason: 'logout' },
    { kind: 'token', jti: 'token of c', at: 1_000 },
  ]
  for (const one of forgettable) list.add(one)
  at = 2_000
  // Heard again, as after a gap: they are no younger for it, and the age that an entry names counts for nothing.
  for (const one of [...forgettable, ended('d', -1_000_000)]) list.add(one)
  t.equal(list.size, 4)
  at = 301_999
  list.forgetExpired()
  t.ok(list.isRevoked(claimsOf('a')), 'still needed in its last second')
  at = 302_000
  list.forgetExpired()
  t.notOk(list.isRevoked(claimsOf('a')))
  t.notOk(list.isRevoked(claimsOf('b', { sub: 'bo' })))
  t.notOk(list.isRevoked(claimsOf('c')))
  t.ok(list.isRevoked(claimsOf('d')))
  t.equal(list.size, 1)
})

t.test('what is revoked again and again keeps nothing behind it in memory', async (t) => {
  let at = 1_000
  const list = new RevocationList(300_000, () => at)
  const again: RevocationEntry[] = [
    { kind: 'subject', sub: 'ana', at: 1_000, reason: 'logout' },
    { kind: 'token', jti: 'token of a', at: 1_000 },
  ]
  for (const one of again) list.add(one)
  at = 2_000
  list.add({ kind: 'subject', sub: 'bo', at: 2_000, reason: 'logout' })
  list.add({ kind: 'token', jti: 'token of b', at: 2_000 })
  at = 200_000
  for (const one of again) list.add({ ...one, at })
  at = 400_000
  list.forgetExpired()
  t.equal(list.size, 1)
  t.ok(list.isRevoked(claimsOf('c', { auth_time: 199 })), 'the subject')
})

t.test('a subject and everyone name those who signed in before that second; a token only itself', async (t) => {
  const list = new RevocationList(300_000, () => 0)
  const signedIn = (auth_time: number, sub = 'ana') => list.isRevoked(claimsOf('x', { auth_time, sub }))
  list.add({ kind: 'subject', sub: 'ana', at: 5_900, reason: 'password_changed' })
  t.strictSame([signedIn(4), signedIn(5), signedIn(6), signedIn(4, 'bo')], [true, false, false, false])
  list.add({ kind: 'subject', sub: 'ana', at: 3_000, reason: 'password_changed' })
  t.ok(signedIn(4), 'an entry that comes late takes nothing back')
  list.add({ kind: 'everyone', at: 8_000, reason: 'revoked_by_admin' })
  list.add({ kind: 'everyone', at: 7_000, reason: 'revoked_by_admin' })
  t.strictSame([signedIn(7), signedIn(8), signedIn(7, 'bo'), signedIn(8, 'bo')], [true, false, true, false])
  list.add({ kind: 'token', jti: 'token of y', at: 9_000 })
  list.add({ kind: 'signing_key', kid: 'token of z', at: 9_000 })
  const late = { auth_time: 8 }
  t.strictSame([list.isRevoked(claimsOf('y', late)), list.isRevoked(claimsOf('z', late))], [true, false])
})

t.test('the follower loads every page before it has started, then reads on from its last place', async (t) => {
  const { log, list, follower } = follow(t, [
    page('1', [ended('a', 1)]),
    page('2', [ended('b', 2)]),
    page('2'),
    page('3', [ended('c', 3)]),
  ])
  t.equal(follower.ageMs, Number.POSITIVE_INFINITY, 'it has heard nothing yet')
  await follower.start()
  t.ok(list.isRevoked(claimsOf('a')) && list.isRevoked(claimsOf('b')))
  await eventually('the follower reads on', () => list.isRevoked(claimsOf('c')))
  t.strictSame(log.asked.slice(0, 4), [{ sinceMs: 95_000 }, '1', '2', '2'])
  t.ok(follower.ageMs < 5_000)
  t.match(follower, { position: '3', reloads: 0, unknownEntries: 0 })
})

t.test('a page that fails is read again: nothing is skipped, and one of failures in a row is told', async (t) => {
  const failures = [new Error('away'), new Error('away'), new Error('away')]
  const { log, list, follower, told } = follow(t, [page('0'), page('0'), ...failures, page('1', [ended('a', 1)])])
  await follower.start()
  await eventually('the page is read again', () => list.isRevoked(claimsOf('a')))
  t.strictSame(told, ['Error: away'])
  t.strictSame(log.asked.slice(1, 6), ['0', '0', '0', '0', '0'])
})

t.test('a gap makes the follower load everything young enough again, until it has succeeded', async (t) => {
  const { log, list, follower, told } = follow(t, [
    page('7'),
    page('7'),
    page('9', [ended('late', 9)], { hasGap: true }),
    new Error('away'),
    page('8', [ended('missed', 8)]),
    page('9', [ended('late', 9)]),
    page('9'),
  ])
  await follower.start()
  await eventually('it has loaded again', () => follower.reloads === 1)
  t.ok(list.isRevoked(claimsOf('missed')) && list.isRevoked(claimsOf('late')))
  t.strictSame(told, ['Error: away', 'reloaded'])
  const since = { sinceMs: 95_000 }
  t.strictSame(log.asked.slice(0, 7), [since, '7', '7', since, since, '8', '9'])
  t.equal(follower.position, '9')
})

t.test('a page with a gap is no news: the node goes on growing stale until it has loaded again', async (t) => {
  const reload = Promise.withResolvers<number>()
  let asked = 0
  const log = new ScriptedLog([page('7'), page('7'), page('7', [], { hasGap: true }), page('9'), page('9')])
  const store = { ...log.store, now: () => (asked++ === 0 ? Promise.resolve(100_000) : reload.promise) }
  const { follower } = follow(t, [], { store })
  // Each read takes a second.
  const { now } = performance
  t.intercept(performance, 'now', { value: () => now.call(performance) + log.asked.length * 1_000 })
  await follower.start()
  await eventually('it wants to load again', () => asked === 2)
  const ageMs = follower.ageMs
  t.ok(ageMs >= 1_000, 'it has heard nothing since')
  await eventually('time passes', () => follower.ageMs > ageMs)
  reload.resolve(100_000)
  await eventually('it has', () => follower.reloads === 1)
  log.stop()
})

t.test('entries of unknown kinds are skipped, counted and told', async (t) => {
  const { follower, list, told } = follow(t, [
    page('1', [], { unknownEntries: 2 }),
    page('2', [ended('a', 1)], { unknownEntries: 1 }),
    page('2'),
  ])
  await follower.start()
  t.ok(list.isRevoked(claimsOf('a')))
  t.equal(follower.unknownEntries, 3)
  t.strictSame(told, ['2 unknown', '1 unknown'])
})

t.test('a node that cannot load the log does not start', async (t) => {
  const { follower } = follow(t, [new Error('away')])
  await t.rejects(follower.start(), /away/)
  t.equal(follower.ageMs, Number.POSITIVE_INFINITY)
})

t.test('a node whose log is trimmed while it loads does not start either', async (t) => {
  const { follower } = follow(t, [page('5', [ended('a', 5)]), page('9', [ended('b', 9)], { hasGap: true })])
  await t.rejects(follower.start(), /trimmed while it was loaded/)
  t.equal(follower.ageMs, Number.POSITIVE_INFINITY)
})

t.test('a plugin that cannot load the log leaves nothing behind that goes on', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let asked = 0
  const log = new ScriptedLog([new Error('away')])
  const now = log.store.now
  log.store.now = () => {
    asked += 1
    return now()
  }
  await t.rejects(startPlugin(t, log), /away/)
  const before = asked
  mock.timers.tick(60_000)
  t.equal(asked, before, 'it asks the store for nothing any more')
})

async function startPlugin(t: Test, log: ScriptedLog) {
  const listeners: ((revocation: RevocationEntry) => void)[] = []
  // Only what the plugin asks of the sessions.
  const sessions = { onRevoked: (listener) => void listeners.push(listener) } as Pick<Sessions, 'onRevoked'> as Sessions
  const store = fp(async (app) => void app.decorate('store', log.store).decorate('sessions', sessions), {
    name: 'session-store',
  })
  // Only what the plugin asks of the clocks.
  const clocks = {
    now: () => 100_000,
    monotonic: () => 0,
    onJump: () => undefined,
    onLook: () => undefined,
  } as Partial<Clocks> as Clocks
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    log.stop()
  })
  await app.register(store)
  await app.register(fp(async (app) => void app.decorate('clocks', clocks), { name: 'clocks' }))
  await app.register(revocation, { keepForSeconds: 300, maxStalenessMs: 30_000, onStale: 'reject' })
  return { app, revoke: (one: RevocationEntry) => listeners.forEach((listener) => void listener(one)) }
}

t.test(
  'what this node revokes is refused at once, before the log has said a word, and told to who listens',
  async (t) => {
    const { app, revoke } = await startPlugin(t, new ScriptedLog([page('0'), page('0')]))
    const told: unknown[] = []
    app.revocation.onRevoked((revocations) => told.push(revocations))
    t.notOk(app.revocation.isRevoked(claimsOf('a')))
    revoke(ended('a', 1))
    t.ok(app.revocation.isRevoked(claimsOf('a')))
    t.strictSame(told, [[ended('a', 1)]])
  },
)

t.test('what the log says is told to who listens, and the status is what the node knows', async (t) => {
  const log = new ScriptedLog([page('0', [ended('a', 1)]), page('1', [], { unknownEntries: 1 }), page('1')])
  const { app } = await startPlugin(t, log)
  t.match(app.revocation.status(), { entries: 1, position: '1', isStale: false, unknownEntries: 1, reloads: 0 })
  t.ok(app.revocation.status().ageMs < 5_000)
  t.strictSame(log.asked[0], { sinceMs: 100_000 - 3_900_000 }, 'an hour further back, for clocks that differ')
})
