// Recording under attack and without a store: no request is delayed or refused for it, memory stays bounded, drops are counted,
// and nothing that a client sends can pretend to be a line of the log or an entry of a timeline.
import t, { type Test } from 'tap'
import { Recorder } from '../../../plugins/audit/recorder.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import type { EventBatch, EventStore } from '../../../plugins/session-store/port/events.ts'
import { bearer, startGateway } from '../../support/gateway.ts'

function recorderOn(store: Partial<EventStore>, clock = () => 0) {
  const failures: unknown[] = []
  const lost = { dropped: 0, sampled: 0 }
  const recorder = new Recorder({
    // Boundary of the test: the recorder appends and marks, and asks nothing else.
    store: store as EventStore,
    ...{ limits: { events: 100, timelineEntries: 4 }, clock },
    onNewSignals: () => undefined,
    onFailure: (error) => void failures.push(error),
    lost,
  })
  return { recorder, failures, lost }
}

let sessions = 0

// Each of another session, of which the recorder keeps a few only.
const rotated = (at = 0, sid = String(++sessions).padStart(32, 'A')) =>
  ({ node: 'n', reason: 'rotated', granted: true, at, sid, tokenAgeSeconds: 1 }) as const

t.test('one session that refreshes without a pause does not displace what else happened', async (t) => {
  const batches: EventBatch[] = []
  const append = async (batch: EventBatch) => {
    batches.push(batch)
    return { newSignals: [] }
  }
  const { recorder, lost } = recorderOn({ append, mark: async () => undefined })
  const sid = 'S'.repeat(32)
  for (let i = 0; i < 1000; i += 1) {
    recorder.record(rotated(0, sid))
    recorder.record({ ...rotated(0, sid), reason: 'retried_concurrent' })
  }
  for (let i = 0; i < 30; i += 1) recorder.record({ ...rotated(0, sid), reason: 'revoked_by_admin' })
  recorder.record(rotated())
  while (recorder.waiting > 0) await recorder.flush()
  const kept = batches.flatMap(({ events }) => events.map(({ reason }) => reason))
  const countOf = (reason: string) => kept.filter((one) => one === reason).length
  t.equal(countOf('rotated') + countOf('retried_concurrent'), 11, 'a third of 30, and that of another session')
  t.equal(countOf('revoked_by_admin'), 30, 'nothing else is left out')
  const counted = batches.reduce((sum, { counts }) => sum + (counts['rotated'] ?? 0), 0)
  t.equal(counted, 1001, 'all are counted')
  t.equal(lost.sampled, 1990)
})

t.test('a store that is away costs nothing but events beyond the bound, which are counted', async (t) => {
  const { recorder, failures, lost } = recorderOn({
    append: () => Promise.reject(new Error('away')),
    mark: () => Promise.reject(new Error('away')),
  })
  for (let i = 0; i < 15_000; i += 1) recorder.record(rotated())
  t.equal(lost.dropped, 10_000, 'of events and steps, 10,000 wait each')
  await recorder.flush()
  t.ok(failures.length >= 1)
  t.ok(recorder.waiting <= 20_000)
})

t.test('what administrators do lasts, and of what one person brings about alone as much as is bounded', async (t) => {
  const batches: EventBatch[] = []
  const append = async (batch: EventBatch) => {
    batches.push(batch)
    return { newSignals: [] }
  }
  const { recorder } = recorderOn({ append, mark: async () => undefined })
  const own = { ...rotated(), reason: 'logout', sub: 'eve' } as const
  for (let i = 0; i < 500; i += 1) {
    recorder.record({ ...own })
    recorder.record({ ...own, reason: 'revoked_by_admin', actor: 'root' })
    recorder.record({ ...rotated(), reason: 'login_ok', sub: 'eve' })
    recorder.record({ ...rotated(), reason: 'keys_rotated' })
  }
  while (recorder.waiting > 0) await recorder.flush()
  const lasting = batches.flatMap((batch) => [...(batch.lasting ?? [])].map(({ reason }) => reason))
  t.equal(lasting.filter((reason) => reason === 'revoked_by_admin').length, 500)
  t.equal(lasting.filter((reason) => reason === 'logout').length, 100)
  t.equal(lasting.filter((reason) => reason === 'keys_rotated').length, 500, 'the gateway itself is no person')
  t.equal(lasting.length, 1100)
})

t.test('what the store did not take is sent again as the same batch', async (t) => {
  const batches: EventBatch[] = []
  const append = async (batch: EventBatch) => {
    batches.push(batch)
    if (batches.length === 1) throw new Error('away')
    return { newSignals: [] }
  }
  const { recorder } = recorderOn({ append, mark: async () => undefined })
  recorder.record(rotated())
  await recorder.flush()
  recorder.record(rotated())
  await recorder.flush()
  t.equal(batches.length, 3)
  t.equal(batches[1], batches[0])
  t.not(batches[2]?.id, batches[1]?.id)
  t.match(batches[2], { counts: { rotated: 1 }, events: [{ reason: 'rotated' }] })
})

t.test('a slow store is given one batch at a time', async (t) => {
  let underWay = 0
  let most = 0
  const append = async () => {
    underWay += 1
    most = Math.max(most, underWay)
    await new Promise(setImmediate)
    underWay -= 1
    return { newSignals: [] }
  }
  const { recorder } = recorderOn({ append, mark: async () => undefined })
  for (let i = 0; i < 1000; i += 1) recorder.record(rotated())
  await Promise.all([recorder.flush(), recorder.flush(), recorder.flush()])
  t.equal(most, 1)
  t.equal(recorder.waiting, 0)
})

t.test(
  'a batch that is full leaves without being asked for, in the same turn as the steps of its sessions',
  async (t) => {
    const taken: string[] = []
    const { recorder } = recorderOn({
      append: async ({ events }) => {
        taken.push(`${events.length} events`)
        return { newSignals: [] }
      },
      mark: async (marks) => void taken.push(`${marks.length} steps`),
    })
    for (let i = 0; i < 399; i += 1) recorder.record(rotated())
    await new Promise(setImmediate)
    t.strictSame(taken, [])
    recorder.record(rotated())
    await new Promise(setImmediate)
    t.strictSame(taken, ['400 events', '400 steps'])
  },
)

t.test('what comes while a batch is on its way waits for its own turn, and is there when asked for', async (t) => {
  const sizes: number[] = []
  const append = async ({ events }: EventBatch) => {
    sizes.push(events.length)
    // As it is under load: each response finds more that has happened.
    if (sizes.length < 50) recorder.record(rotated())
    await new Promise(setImmediate)
    return { newSignals: [] }
  }
  const { recorder } = recorderOn({ append, mark: async () => undefined })
  recorder.record(rotated())
  const first = recorder.flush()
  await Promise.resolve()
  for (let i = 0; i < 5; i += 1) recorder.record(rotated())
  await Promise.all([first, recorder.flush(), recorder.flush()])
  t.strictSame(sizes, [1, 6], 'and not one batch for each response')
  t.equal(recorder.waiting, 1, 'the event of the last moment')
})

t.test(
  'of a flood of refusals so many a second are kept, all are counted, and nothing that was granted is lost',
  async (t) => {
    const store = openEmbeddedStore({ file: ':memory:' })
    t.teardown(() => store.close())
    const { recorder, lost } = recorderOn(store.events)
    for (let i = 0; i < 5000; i += 1)
      recorder.record({ node: 'n', reason: 'token_malformed', granted: false, at: 0, tokenAgeSeconds: undefined })
    recorder.record(rotated())
    recorder.record({ node: 'n', reason: 'token_malformed', granted: false, at: 1000, tokenAgeSeconds: undefined })
    await recorder.flush()
    t.equal(lost.sampled, 4980)
    t.equal((await store.events.page({ reason: 'token_malformed' }, { limit: 200 })).events.length, 21)
    t.equal((await store.events.page({ reason: 'rotated' }, { limit: 200 })).events.length, 1)
    t.match((await store.events.history('hour', 0)).reasons['token_malformed']?.at(-1), 5001)
  },
)

t.test('requests go on while events cannot be kept', async (t: Test) => {
  const { app, signIn, post, log, totals } = await startGateway(t)
  app.auditTrail.store.append = () => Promise.reject(new Error('away'))
  app.auditTrail.store.mark = () => Promise.reject(new Error('away'))
  const { refresh_token } = await signIn()
  await app.auditTrail.recorder.flush()
  t.equal((await post('/auth/token', { grant_type: 'refresh_token', refresh_token })).statusCode, 200)
  t.ok(totals.lost.dropped > 0)
  t.match(log.filter(({ outage }) => outage === 'events').length > 0, true)
})

t.test('a listener that fails fails no request', async (t) => {
  const { app, signIn, log } = await startGateway(t)
  app.audit.onRecorded(() => {
    throw new Error('a mistake')
  })
  t.ok(await signIn())
  t.ok(log.some(({ msg }) => msg === 'an event could not be recorded'))
})

t.test('nothing a client sends breaks a line of the log, an event or a timeline', async (t) => {
  const { app, signIn, post, log, events } = await startGateway(t)
  const evil = {
    'user-agent': 'x\t1\t1\t1\tlogin_ok\u0000\u001b[31m"}\u2028',
    'x-forwarded-for': '1.2.3.4\n{"event":"rotated"}',
  }
  const alice = await signIn('alice', { headers: evil })
  await post('/auth/login', { username: 'a'.repeat(1000), password: 'x' }, { headers: evil })
  await app.auditTrail.recorder.flush()
  const admin = bearer(await signIn('root'))
  const timeline = (await app.inject({ url: `/admin/sessions/${alice.session_id}/timeline`, headers: admin })).json()
  t.equal(timeline.entries.length, 1)
  t.match(timeline.entries[0], { reason: 'login_ok', client: /^[ -~]{1,30}$/ })
  t.match(events('login_ok')[0], { client: /^[ -~]{1,30}$/, network: '127.0.0.0/24', node: app.audit.node })
  const written = JSON.stringify([log, (await app.inject({ url: '/admin/events', headers: admin })).json()])
  for (const secret of [alice.access_token, alice.refresh_token]) t.notMatch(written, secret)
  t.notMatch(written, 'a'.repeat(200), 'a name that nobody can have is not recorded')
})
