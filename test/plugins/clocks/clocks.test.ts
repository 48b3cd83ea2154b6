// Clocks that are set: nothing that protects is forgotten because one of them moved, a jump is an alarm, and a difference that
// makes tokens fail is named. Held clocks, on both stores.
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { ClockWatch, monotonicOf } from '../../../plugins/clocks/clock-watch.ts'
import { Clocks } from '../../../plugins/clocks/index.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import { StoreCondition } from '../../../plugins/session-store/port/condition.ts'
import type { Store } from '../../../plugins/session-store/port/store.ts'
import { buildApp } from '../../../src/app.ts'
import { Clock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, configOf, startGateway, type TestGateway, type Tokens } from '../../support/gateway.ts'
import { newPrefix, sharedRedis } from '../../support/redis/server.ts'
import { opener, statusAt } from '../revocation/nodes.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

const redisUrl = await sharedRedis(t)
const stores: Record<string, (clock: Clock) => Promise<Store>> = {
  embedded: async (clock) => openEmbeddedStore({ file: ':memory:', clock: clock.now }),
  redis: (clock) => opener(redisUrl, newPrefix())(clock),
}

/** A gateway, and its store whose clock is another one. */
async function startApart(t: Test, open: (clock: Clock) => Promise<Store>) {
  const clock = new Clock(Date.parse('2026-11-01T12:00:00Z'))
  const storeClock = new Clock(clock.nowMs)
  const gateway = await startGateway(t, { clock, monotonic: clock.monotonic, openStore: () => open(storeClock) })
  const pass = async (ms: number) => {
    clock.advance(ms)
    storeClock.advance(ms)
    await gateway.app.clocks.look()
  }
  return { gateway, clock, storeClock, pass }
}

/** The app after the next reload. */
async function startNext(t: Test, { app, store, clock }: Pick<TestGateway, 'app' | 'store' | 'clock'>) {
  const clocks = { clock: clock.now, monotonic: clock.monotonic }
  const next = await buildApp(configOf(), {
    store,
    storeIsLent: true,
    ...clocks,
    logger: pino({ level: 'silent' }),
    before: () => app,
  })
  t.teardown(() => next.close())
  return next
}

async function logOut({ app }: TestGateway, tokens: Tokens): Promise<void> {
  const response = await app.inject({ method: 'POST', url: '/auth/logout', headers: bearer(tokens), payload: {} })
  if (response.statusCode !== 204) throw new Error(`logout answered ${response.statusCode}`)
}

function details({ events }: TestGateway, reason: string): unknown[] {
  return events(reason).map(({ detail }) => detail)
}

for (const [name, open] of Object.entries(stores)) {
  t.test(`${name}: the store's clock goes ten minutes ahead, and what was revoked stays revoked`, async (t) => {
    const { gateway, storeClock, pass } = await startApart(t, open)
    const tokens = await gateway.signIn()
    await logOut(gateway, tokens)
    t.equal(await statusAt(gateway, tokens), 401)
    storeClock.jump(10 * minute)
    await pass(10 * second)
    t.equal(await statusAt(gateway, tokens), 401, 'by this node’s clock the token lives')
    t.strictSame(details(gateway, 'clock_jumped'), ["the store's went 600 s ahead"])
    await pass(10 * second)
    t.equal(await statusAt(gateway, tokens), 401)
    t.equal(details(gateway, 'clock_jumped').length, 1, 'told once')
  })

  t.test(
    `${name}: a token of a clock that was ahead is not taken after its logout, whenever that clock is back`,
    async (t) => {
      const { gateway, clock, storeClock, pass } = await startApart(t, open)
      for (const one of [clock, storeClock]) one.jump(6 * hour)
      await pass(0)
      const tokens = await gateway.signIn()
      t.equal(await statusAt(gateway, tokens), 200, 'it is remembered now')
      for (const one of [clock, storeClock]) one.jump(-6 * hour)
      await gateway.post('/auth/logout', { refresh_token: tokens.refresh_token })
      await pass(0)
      t.equal(await statusAt(gateway, tokens), 401, 'it is not issued yet')
      for (let passed = 0; passed < 6 * hour + 6 * minute; passed += 2 * minute) {
        await pass(2 * minute)
        if ((await statusAt(gateway, tokens)) !== 401) t.fail(`taken after ${passed / minute} minutes`)
      }
      t.match(details(gateway, 'clock_jumped').join(), /went 21600 s ahead.*went 21600 s back/)
      for (let passed = 0; passed < 2 * hour; passed += 10 * minute) await pass(10 * minute)
      t.equal(gateway.app.revocation.status().entries, 0, 'and what no token needs is forgotten in the end')
    },
  )

  t.test(`${name}: a jump makes the node read again what is young by the new time`, async (t) => {
    const { gateway, clock, pass } = await startApart(t, open)
    clock.jump(-hour)
    await pass(0)
    await eventually('the log is read again', () => gateway.app.revocation.status().reloads === 1)
  })

  t.test(
    `${name}: clocks that differ are named in the log and on /readyz, once when it begins and once when it ends`,
    async (t) => {
      const { gateway, clock, pass } = await startApart(t, open)
      const topics = async () => (await gateway.app.inject('/readyz')).json().store_warnings
      t.strictSame(await topics(), [])
      clock.jump(-12 * second)
      await pass(second)
      await pass(second)
      t.strictSame(await topics(), ['clock'])
      t.equal(gateway.events('store_alarm').length, 1)
      t.match(details(gateway, 'store_alarm'), [
        /^The store's clock is 12 s ahead of this node's: access tokens .* refused/,
      ])
      clock.jump(12 * second)
      await pass(second)
      t.strictSame(await topics(), [])
      t.equal(gateway.events('store_alarm').length, 1)
    },
  )

  t.test(`${name}: a reload makes no node careless, and forgets nothing that is revoked`, async (t) => {
    const { gateway, clock, storeClock, pass } = await startApart(t, open)
    for (const one of [clock, storeClock]) one.jump(6 * hour)
    await pass(0)
    const tokens = await gateway.signIn()
    for (const one of [clock, storeClock]) one.jump(-6 * hour)
    await pass(0)
    await logOut(gateway, tokens)
    // Far behind: the log has no more of it.
    for (let passed = 0; passed < 4 * hour; passed += hour) await pass(hour)
    const next = await startNext(t, gateway)
    t.ok(next.clocks.isCareful)
    t.equal(next.revocation.status().entries, gateway.app.revocation.status().entries)
    clock.jump(minute)
    const third = await startNext(t, { ...gateway, app: next })
    t.equal(third.audit.counts()['clock_jumped'], 1, 'a jump between two apps is seen')
    for (let passed = 0; passed < 3 * hour; passed += hour) {
      await pass(hour)
      await third.clocks.look()
    }
    t.equal(await statusAt({ ...gateway, app: third }, tokens), 401)
  })

  t.test(`${name}: a start behind what was last seen is an alarm`, async (t) => {
    const clock = new Clock()
    const store = await open(clock)
    const report = { startedAt: 0, revocationLogAgeMs: 0, revocationEntries: 0, version: '0', storeAheadMs: 0 }
    await store.events.heartbeat({ ...report, node: 'a', seenAt: clock.nowMs + 3 * hour })
    const gateway = await startGateway(t, { clock, monotonic: clock.monotonic, openStore: async () => store })
    t.strictSame(details(gateway, 'clock_jumped'), ["this node's is 10800 s behind what was last seen"])
    t.ok(gateway.app.clocks.isCareful)
  })
}

t.test('a small jump after a large one does not end the care that the large one asks for', async (t) => {
  const { gateway, clock, pass } = await startApart(t, async (clock) =>
    openEmbeddedStore({ file: ':memory:', clock: clock.now }),
  )
  clock.jump(-6 * hour)
  await pass(second)
  clock.jump(10 * second)
  await pass(second)
  t.equal(details(gateway, 'clock_jumped').length, 2)
  await pass(5 * hour)
  t.ok(gateway.app.clocks.isCareful, 'tokens of before the first jump may still be taken')
  await pass(6 * hour)
  t.notOk(gateway.app.clocks.isCareful)
})

t.test('a node that starts after the store’s clock went hours ahead knows what was revoked before', async (t) => {
  const { gateway, clock, storeClock, pass } = await startApart(t, async (clock) =>
    openEmbeddedStore({ file: ':memory:', clock: clock.now }),
  )
  const tokens = await gateway.signIn()
  await logOut(gateway, tokens)
  storeClock.jump(3 * hour)
  await pass(second)
  const { store } = gateway.app
  const later = await startGateway(t, { clock, monotonic: clock.monotonic, openStore: async () => store })
  t.equal(await statusAt(later, tokens), 401, 'by this node’s clock the token lives')
})

t.test('a store that answers late has not had its clock set', async (t) => {
  const clock = new Clock()
  const recorded: unknown[] = []
  let lateMs = 0
  const now = async () => {
    const said = clock.now()
    clock.advance(lateMs)
    return said
  }
  const audit = { record: (_: unknown, event: unknown) => recorded.push(event) }
  const store = { now, events: { nodes: async () => [] }, condition: new StoreCondition() }
  // Boundary: of both it uses no more than this.
  const app = { audit, store } as unknown as ConstructorParameters<typeof Clocks>[0]
  const clocks = new Clocks(app, {
    clock: clock.now,
    monotonic: clock.monotonic,
    toleranceMs: 5 * second,
    tokenLifeMs: hour,
  })
  await clocks.start()
  lateMs = 20 * second
  await clocks.look()
  lateMs = 0
  await clocks.look()
  t.strictSame(recorded, [])
  t.strictSame(store.condition.topics, [], 'nor do the clocks differ')
})

t.test('embedded: a clock that is set gives nobody more attempts, and takes none', async (t) => {
  const clock = new Clock()
  const store = openEmbeddedStore({ file: ':memory:', clock: clock.now, monotonic: clock.monotonic })
  t.teardown(() => store.close())
  const tryOnce = () => store.attempts.take('somebody', [{ name: 'a', limit: { max: 1, windowMs: hour } }])
  t.match(await tryOnce(), { outcome: 'taken' })
  for (const ms of [24 * hour, -48 * hour]) {
    clock.jump(ms)
    t.match(await tryOnce(), { outcome: 'refused', waitMs: hour })
  }
  clock.advance(hour)
  t.match(await tryOnce(), { outcome: 'taken' })
})

t.test('a clock that goes on evenly, or is slewed, has not jumped', async (t) => {
  const watch = new ClockWatch()
  t.equal(watch.look(1_000_000, 5), 0, 'the first look')
  for (let i = 1; i < 1000; i += 1) t.equal(watch.look(1_000_000 + i * 1002, 5 + i * 1000), 0)
  t.equal(watch.look(5_000_000, 1_000_005), 2_998_002, 'ahead')
  t.equal(watch.look(4_000_000, 1_000_005), -1_000_000, 'back')
  const clock = new Clock()
  t.equal(monotonicOf(clock.now), clock.now, 'of a held clock')
  t.not(monotonicOf(Date.now), Date.now)
})
