// Tests of how long revocations are on their way to a process whose apps follow one another: each counts once, whichever app
// heard of it first, and an app that fails takes nothing with it.
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Propagation } from '../../../plugins/metrics/propagation.ts'
import { Totals } from '../../../plugins/metrics/totals.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import type { RevocationEntry, Store } from '../../../plugins/session-store/port/store.ts'
import { buildApp, closedUnless } from '../../../src/app.ts'
import { loadConfig } from '../../../src/config/index.ts'
import { eventually } from '../../support/eventually.ts'
import { gatewaySecret } from '../../support/gateway.ts'

const countOf = ({ times }: Propagation) => times.counts.reduce((sum, count) => sum + count, 0)
const revoked = (sid: string, at = 1_000_000): RevocationEntry => ({
  kind: 'session',
  sid,
  sub: 'ana',
  at,
  reason: 'logout',
})
const [one, two, now] = [{}, {}, 1_000_000]

function served(): Propagation {
  const propagation = new Propagation()
  propagation.activate(one, now)
  return propagation
}

t.test('what the app that serves hears counts, what it loads does not, and the same again does not', async (t) => {
  const propagation = served()
  propagation.learn(one, revoked('loaded'), false, now)
  propagation.learn(one, revoked('heard', now - 300), true, now)
  propagation.learn(one, revoked('heard', now - 300), true, now + 5000)
  propagation.learn(one, revoked('ahead', now + 300), true, now)
  t.equal(countOf(propagation), 2)
  t.equal(propagation.times.sum, 0.3, 'a clock that is ahead makes nothing negative')
})

t.test('what a new app knows and the old one does not counts when the new one serves', async (t) => {
  const propagation = served()
  propagation.learn(one, revoked('both'), true, now)
  propagation.learn(two, revoked('both'), false, now)
  propagation.learn(two, revoked('loaded'), false, now)
  propagation.learn(two, revoked('heard'), true, now)
  propagation.learn(two, revoked('old', now - 60_001), false, now)
  t.equal(countOf(propagation), 1, 'not yet')
  propagation.activate(two, now + 2000)
  propagation.activate(two, now + 2000)
  t.equal(countOf(propagation), 3)
  t.equal(propagation.times.sum, 4)
  for (const sid of ['loaded', 'heard', 'late']) propagation.learn(one, revoked(sid), true, now + 3000)
  t.equal(countOf(propagation), 3, 'an app that serves no longer says nothing')
  propagation.learn(two, revoked('both'), true, now + 3000)
  t.equal(countOf(propagation), 3, 'what the old one had heard does not count again')
  propagation.learn(two, revoked('late'), true, now + 3000)
  t.equal(countOf(propagation), 4)
})

// A store as an app sees it that hears nothing more of the log once it is told to.
function deafenable(store: Store): { store: Store; deafen: () => void } {
  let isDeaf = false
  const read: Store['sessions']['readRevocations'] = async (after, waitMs) => {
    const page = await store.sessions.readRevocations(after, waitMs)
    return isDeaf ? new Promise(() => undefined) : page
  }
  // Methods of a class with private members know no other `this`.
  const over = <T extends object>(target: T, own: Partial<T>): T =>
    new Proxy(target, {
      get: (_, name) => {
        const value = Reflect.get(own, name) ?? Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  const deafen = () => {
    isDeaf = true
  }
  return { store: over(store, { sessions: over(store.sessions, { readRevocations: read }) }), deafen }
}

async function begin(t: Test, store: Store, totals: Totals) {
  const config = { ...loadConfig({ env: {}, directory: '/nowhere' }), secrets: [gatewaySecret] }
  const app = await buildApp(config, { store, storeIsLent: true, totals, logger: pino({ level: 'silent' }) })
  t.teardown(() => app.close())
  return app
}

t.test('a revocation that only the new app has loaded counts once it serves', async (t) => {
  const store = openEmbeddedStore({ file: ':memory:' })
  t.teardown(() => store.close())
  const totals = new Totals()
  const old = deafenable(store)
  totals.propagation.activate(await begin(t, old.store, totals), Date.now())
  await store.sessions.revoke({ kind: 'token', jti: 'a'.repeat(22) })
  await eventually('the old app hears of one', () => countOf(totals.propagation) === 1)
  old.deafen()
  await store.sessions.revoke({ kind: 'token', jti: 'b'.repeat(22) })
  const next = await begin(t, store, totals)
  t.equal(next.revocation.status().entries, 2)
  t.equal(countOf(totals.propagation), 1)
  totals.propagation.activate(next, Date.now())
  t.equal(countOf(totals.propagation), 2)
})

t.test('when an app fails after it was ready, the one that serves goes on counting', async (t) => {
  const store = openEmbeddedStore({ file: ':memory:' })
  t.teardown(() => store.close())
  const totals = new Totals()
  const serving = await begin(t, store, totals)
  await serving.ready()
  totals.propagation.activate(serving, Date.now())
  const failing = await begin(t, store, totals)
  failing.addHook('onReady', async () => {
    throw new Error('it fails late')
  })
  await t.rejects(closedUnless(failing, () => failing.ready()))
  // An app that has ended may hear of one more, which it was waiting for.
  for (const [count, letter] of [...'abc'].entries()) {
    await store.sessions.revoke({ kind: 'token', jti: letter.repeat(22) })
    await eventually('it is counted', () => countOf(totals.propagation) === count + 1)
  }
})
