// This node's list of ended sessions: what it forgets, how it follows the log, and when it no longer knows.
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import { RevocationFollower } from '../../plugins/revocation/follower.ts'
import revocation from '../../plugins/revocation/index.ts'
import { RevocationList } from '../../plugins/revocation/list.ts'
import type { Sessions } from '../../plugins/session-store/sessions.ts'
import type { Revocation, RevocationPage, Store } from '../../plugins/session-store/store.ts'
import { eventually } from '../eventually.ts'

const ended = (sid: string, at: number): Revocation => ({ kind: 'session', sid, sub: 'ana', at, reason: 'logout' })

// A log whose pages the test hands out; it answers reads in order and keeps what was asked.
class ScriptedLog {
  readonly asked: unknown[] = []
  readonly #answers: (RevocationPage | Error)[]
  #release: () => void = () => undefined

  constructor(answers: (RevocationPage | Error)[]) {
    this.#answers = answers
  }

  readonly store = {
    now: async () => 100_000,
    sessions: { readRevocations: (after: unknown) => this.#read(after) },
    // Only what the follower uses; the rest of the port is not reached.
  } as unknown as Store

  async #read(after: unknown): Promise<RevocationPage> {
    this.asked.push(after)
    const answer = this.#answers.shift()
    if (answer instanceof Error) throw answer
    if (answer) return answer
    return new Promise((resolve) => {
      this.#release = () => resolve({ revocations: [], position: 'end' })
    })
  }

  stop(follower: RevocationFollower): void {
    follower.stop()
    this.#release()
  }
}

t.test('an entry stays as long as a token could outlive its session, and no longer', async (t) => {
  const list = new RevocationList(300_000)
  list.add(ended('a', 1_000))
  list.add(ended('b', 2_000))
  list.forgetExpired(301_000)
  t.ok(list.isRevoked('a'), 'still needed at its last millisecond')
  list.forgetExpired(301_001)
  t.notOk(list.isRevoked('a'))
  t.ok(list.isRevoked('b'))
  t.equal(list.size, 1)
})

t.test('the follower loads every page before it has started, then reads on from its last place', async (t) => {
  const log = new ScriptedLog([
    { revocations: [ended('a', 1)], position: '1' },
    { revocations: [ended('b', 2)], position: '2' },
    { revocations: [], position: '2' },
    { revocations: [ended('c', 3)], position: '3' },
  ])
  const list = new RevocationList(1_000)
  const options = { store: log.store, list, lookBackMs: 5_000, waitMs: 1_000, onFailure: () => undefined }
  const follower = new RevocationFollower(options)
  await follower.start()
  t.ok(list.isRevoked('a') && list.isRevoked('b'))
  await eventually('the follower reads on', () => list.isRevoked('c'))
  t.strictSame(log.asked.slice(0, 4), [{ sinceMs: 95_000 }, '1', '2', '2'])
  t.ok(follower.ageMs < 5_000)
  log.stop(follower)
})

t.test('a page that fails is read again: nothing is skipped', async (t) => {
  const log = new ScriptedLog([
    { revocations: [], position: '0' },
    new Error('away'),
    { revocations: [ended('a', 1)], position: '1' },
  ])
  const list = new RevocationList(1_000)
  const failures: unknown[] = []
  const onFailure = (error: unknown) => void failures.push(error)
  const follower = new RevocationFollower({ store: log.store, list, lookBackMs: 1, waitMs: 1, onFailure })
  await follower.start()
  await eventually('the page is read again', () => list.isRevoked('a'))
  t.equal(failures.length, 1)
  t.strictSame(log.asked.slice(1, 3), ['0', '0'])
  log.stop(follower)
})

t.test('a node that cannot load the log does not start, and one that never heard it is infinitely stale', async (t) => {
  const log = new ScriptedLog([new Error('away')])
  const options = {
    store: log.store,
    list: new RevocationList(1),
    lookBackMs: 1,
    waitMs: 1,
    onFailure: () => undefined,
  }
  const follower = new RevocationFollower(options)
  await t.rejects(follower.start(), /away/)
  t.equal(follower.ageMs, Number.POSITIVE_INFINITY)
})

t.test('what this node ends is refused at once, before the log has said a word', async (t) => {
  const log = new ScriptedLog([{ revocations: [], position: '0' }])
  const listeners: ((revocation: Revocation) => void)[] = []
  // Only what the plugin asks of the sessions.
  const sessions = { onEnded: (listener) => void listeners.push(listener) } as Pick<Sessions, 'onEnded'> as Sessions
  const store = fp(async (app) => void app.decorate('store', log.store).decorate('sessions', sessions), {
    name: 'session-store',
  })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(store)
  await app.register(revocation, { keepForSeconds: 300, maxStalenessMs: 30_000, onStale: 'reject' })
  t.notOk(app.revocation.isRevoked('a'))
  for (const listener of listeners) listener(ended('a', 1))
  t.ok(app.revocation.isRevoked('a'))
})
