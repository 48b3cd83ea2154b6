// The embedded adapter: the store contract on a file and in memory, and what only a file has: modes, restarts, a second
// process beside it, and the deleting of what has expired.
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import { revocationLogAgeMs } from '../../../../plugins/session-store/embedded/revocations.ts'
import { purgeMarginMs } from '../../../../plugins/session-store/embedded/session-row.ts'
import { lookLimit } from '../../../../plugins/session-store/port/session-page.ts'
import { type Store, StoreUnavailable } from '../../../../plugins/session-store/port/store.ts'
import { mostUnproven } from '../../../../plugins/session-store/rotation.ts'
import { Clock } from '../../../support/clock.ts'
import { eventually } from '../../../support/eventually.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import {
  absoluteTtlSeconds,
  ContractScene,
  graceMs,
  idleTtlSeconds,
  ofSessions,
  second,
  within,
} from '../contract/scene.ts'
import { storeContract } from '../contract.ts'

const folder = temporaryFolder(t)

let files = 0
function newFile(): string {
  files += 1
  return join(folder, `${files}`, 'cardea.db')
}

storeContract('on a file', async (clock) => openEmbeddedStore({ file: newFile(), clock: clock.now }), new Clock())
storeContract('in memory', async (clock) => openEmbeddedStore({ file: ':memory:', clock: clock.now }), new Clock())

async function openWithUser(t: Test, options: { file: string; purgeEveryMs?: number }): Promise<ContractScene> {
  const clock = new Clock()
  const store = openEmbeddedStore({ ...options, clock: clock.now })
  t.teardown(() => store.close())
  await store.users.add({ sub: 'ana', passwordHash: '', roles: [], scope: '' })
  return new ContractScene(store, clock)
}

function openBeside(t: Test, file: string, clock: Clock): Store {
  const store = openEmbeddedStore({ file, clock: clock.now })
  t.teardown(() => store.close())
  return store
}

t.test('the file and its folder are private, and so are the files SQLite puts beside it', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file })
  const mode = (path: string) => statSync(path).mode & 0o777
  t.equal(mode(join(file, '..')), 0o700)
  for (const name of [file, `${file}-wal`, `${file}-shm`]) t.equal(mode(name), 0o600, name)
  t.equal(scene.store.description, `embedded (${file})`)
})

t.test('a file that others could read is made private; a folder that exists is left as it is', async (t) => {
  const file = newFile()
  mkdirSync(join(file, '..'), { mode: 0o755 })
  writeFileSync(file, '')
  chmodSync(file, 0o644)
  await openWithUser(t, { file })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o755)
})

t.test('a restart keeps sessions, tombstones, the log and its positions, users and keys', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file })
  const live = await scene.advanceGeneration(await scene.login())
  const ended = await scene.login()
  await scene.store.sessions.end(ended.sid, 'logout')
  const { position } = await scene.store.sessions.readRevocations({ sinceMs: 0 }, 0)
  await scene.store.sessions.end((await scene.login()).sid, 'revoked_by_user')
  const key = { id: 'k', use: 'signing', alg: 'ES256', createdAt: 1, activeFrom: 2, sealed: 'eA' } as const
  await scene.store.keys.add(key)
  await scene.store.close()
  t.notOk(existsSync(`${file}-wal`), 'closing leaves one file')

  const store = openBeside(t, file, scene.clock)
  t.strictSame(await store.sessions.list('ana'), [live])
  t.match(await store.sessions.read(ended.sid), { endReason: 'logout' })
  t.match(await store.users.find('ana'), { sub: 'ana', revision: 1 })
  t.strictSame(await store.keys.list(), [key])
  const page = await store.sessions.readRevocations(position, 0)
  t.strictSame(
    ofSessions(page.revocations).map(({ reason }) => reason),
    ['revoked_by_user'],
  )
})

/** Notes how far each transaction had to come before it was answered (`PRAGMA synchronous` at its COMMIT). */
function recordCommits(t: Test): string[] {
  const { exec } = DatabaseSync.prototype
  const commits: string[] = []
  let level = ''
  DatabaseSync.prototype.exec = function (sql) {
    exec.call(this, sql)
    level = /^PRAGMA synchronous = (\w+)$/.exec(sql)?.[1] ?? level
    if (sql === 'COMMIT') commits.push(level)
  }
  t.teardown(() => {
    DatabaseSync.prototype.exec = exec
  })
  return commits
}

t.test(
  'whatever ends a session or changes a user is on the disk before it is answered; a rotation need not be',
  async (t) => {
    const scene = await openWithUser(t, { file: newFile() })
    const { sessions, users, keys } = scene.store
    const commits = recordCommits(t)
    const expect = (level: string, verb: string) => t.strictSame(commits.splice(0), [level], verb)
    const first = await scene.login()
    expect('NORMAL', 'login')
    const newest = await scene.advanceGeneration(first)
    expect('NORMAL', 'rotated')
    await scene.rotate(first)
    expect('NORMAL', 'retried')
    await scene.deliver(newest)
    expect('NORMAL', 'delivered')
    t.match(await scene.rotate(first, 0), { outcome: 'reused' })
    expect('FULL', 'reused')
    await scene.login({ maxSessions: 1 })
    expect('NORMAL', 'login within the limit')
    await scene.login({ maxSessions: 1 })
    expect('FULL', 'session limit')
    await sessions.end((await sessions.list('ana'))[0]?.sid ?? '', 'logout')
    expect('FULL', 'end')
    await sessions.endAll('ana', 'logout')
    expect('FULL', 'end of all')
    await users.change('ana', { disabled: true })
    expect('FULL', 'user changed')
    await users.add({ sub: 'bo', passwordHash: '', roles: [], scope: '' })
    expect('FULL', 'user added')
    await keys.add({ id: 'k', use: 'signing', alg: 'ES256', createdAt: 1, activeFrom: 1, sealed: '' })
    expect('FULL', 'key added')
  },
)

t.test('without a clock of its own it reads the time of day', async (t) => {
  const store = openEmbeddedStore({ file: ':memory:' })
  t.teardown(() => store.close())
  t.equal(store.description, 'embedded (in memory)')
  t.ok(Math.abs((await store.now()) - Date.now()) < 1000)
  await store.ping()
})

t.test('two logins of one millisecond are listed, and ended, in their order', async (t) => {
  const scene = await openWithUser(t, { file: ':memory:' })
  const [first, second, third] = [await scene.login(), await scene.login(), await scene.login()]
  t.strictSame(await scene.store.sessions.list('ana'), [third, second, first])
  await scene.login({ maxSessions: 3 })
  t.match(await scene.read(first), { endReason: 'session_limit' })
})

t.test('a path that cannot be opened is StoreUnavailable, with the path', async (t) => {
  const file = newFile()
  mkdirSync(file, { recursive: true })
  for (const path of [file, join('/dev/null', 'x.db')]) {
    t.throws(() => openEmbeddedStore({ file: path }), {
      name: 'StoreUnavailable',
      message: `cannot open the store ${path}`,
    })
  }
})

t.test('while another process holds the write lock, what writes is away, and what reads answers', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file })
  const session = await scene.login()
  const other = new DatabaseSync(file)
  t.teardown(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  t.strictSame(await scene.read(session), session)
  const began = performance.now()
  await t.rejects(scene.rotate(session), StoreUnavailable)
  t.ok(performance.now() - began > 200, 'it waited for the lock a while')
  await t.rejects(scene.store.ping(), StoreUnavailable)
  other.exec('ROLLBACK')
  t.strictSame(await scene.read(session), session, 'nothing had been written')
  t.match(await scene.rotate(session), { outcome: 'rotated' })
  await scene.store.ping()
})

t.test('a broken rule of the tables is an error of ours, not an outage, and takes the whole verb back', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file })
  const session = await scene.login()
  const other = new DatabaseSync(file)
  t.teardown(() => other.close())
  other.exec("CREATE TRIGGER refuse BEFORE INSERT ON revocations BEGIN SELECT RAISE(ABORT, 'refused'); END")
  const error = await scene.store.sessions.end(session.sid, 'logout').catch((error: unknown) => error)
  t.ok(error instanceof Error && !(error instanceof StoreUnavailable))
  t.strictSame(await scene.read(session), session, 'no tombstone without its entry in the log')
  other.exec('DROP TRIGGER refuse')
  t.equal((await scene.store.sessions.end(session.sid, 'logout')).revocations.length, 1)
})

t.test('what another process writes is seen, and wakes who waits for it', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file })
  const session = await scene.login()
  const command = openBeside(t, file, scene.clock)
  const waiting = [
    scene.store.sessions.readRevocations({ sinceMs: scene.clock.nowMs }, 60 * second),
    scene.store.sessions.readRevocations('0', 60 * second),
  ]
  await scene.login()
  await command.users.change('ana', { roles: ['x'] })
  await command.sessions.end(session.sid, 'revoked_by_admin')
  for (const page of await within(5000, Promise.all(waiting))) t.match(page.revocations, [{ sid: session.sid }])
  t.match(await scene.rotate(session), { outcome: 'revoked', reason: 'revoked_by_admin' })
  t.strictSame(await scene.store.sessions.create(scene.newSession()), { outcome: 'user_changed' })
})

t.test('a position that no log ever gave is an error', async (t) => {
  const { store } = await openWithUser(t, { file: ':memory:' })
  for (const position of ['', '-1', '1.5', '1e3', ' 1', 'x', '9'.repeat(40)]) {
    await t.rejects(store.sessions.readRevocations(position, 0), { message: /is not a position/ })
  }
})

t.test('positions go on rising after the log was emptied', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file, purgeEveryMs: 2 })
  await scene.store.sessions.end((await scene.login()).sid, 'logout')
  const { position } = await scene.store.sessions.readRevocations({ sinceMs: 0 }, 0)
  scene.clock.advance(revocationLogAgeMs + 1)
  await eventually(
    'the purge',
    async () => (await scene.store.sessions.readRevocations({ sinceMs: 0 }, 0)).revocations.length === 0,
  )
  const ended = await scene.login()
  await scene.store.sessions.end(ended.sid, 'logout')
  t.match((await scene.store.sessions.readRevocations(position, 0)).revocations, [{ sid: ended.sid }])
})

t.test('what has expired is deleted after a margin, in batches, and nothing else is', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file, purgeEveryMs: 2 })
  const ended = await scene.login()
  await scene.store.sessions.end(ended.sid, 'logout')
  for (let i = 0; i < 600; i += 1) await scene.login({ sub: 'ana', maxSessions: 5 })
  const idle = await scene.login()
  const used = await scene.login()
  // Goes a millisecond before `idle` does, so its going shows that a purge has looked at this time.
  const early = await scene.login({ idleTtlSeconds: idleTtlSeconds - 1 })
  scene.clock.advance(idleTtlSeconds * second - 1)
  const rotated = await scene.advanceGeneration(used)
  scene.clock.advance(purgeMarginMs)
  await eventually('the purge', async () => (await scene.read(early)) === undefined)
  t.match(await scene.rotate(idle), { outcome: 'expired', why: 'idle' })

  scene.clock.advance(1)
  await eventually('the purge', async () => (await scene.read(idle)) === undefined)
  t.strictSame(await scene.rotate(idle), { outcome: 'unknown' })
  t.strictSame(await scene.store.sessions.list('ana'), [rotated])
  t.match(await scene.rotate(ended), { outcome: 'revoked', reason: 'logout' }, 'a tombstone outlives the idle time')

  scene.clock.advance((absoluteTtlSeconds - idleTtlSeconds) * second)
  await eventually('the purge', async () => counted(file, 'sessions') + counted(file, 'revocations') === 0)
})

t.test('a page of all sessions ends after so many expired rows, and the next goes on from there', async (t) => {
  const scene = await openWithUser(t, { file: newFile() })
  for (let i = 0; i < lookLimit + 100; i += 1) await scene.login({ idleTtlSeconds: 1, maxSessions: 10_000 })
  scene.clock.advance(second)
  await scene.store.users.add({ sub: 'bo', passwordHash: '', roles: [], scope: '' })
  const last = await scene.login({ sub: 'bo' })
  const { sessions, next } = await scene.store.sessions.listAll(undefined, 50)
  t.strictSame(sessions, [])
  t.match(next, { sub: 'ana', session: { sid: String } })
  t.match(await scene.store.sessions.listAll(next, 50), { sessions: [last], next: undefined })
})

t.test('active sessions are counted by minutes, which agree with their rows, also in a file of before', async (t) => {
  const file = newFile()
  const clock = new Clock()
  const store = openEmbeddedStore({ file, clock: clock.now, purgeEveryMs: 20 })
  const database = new DatabaseSync(file)
  t.teardown(() => database.close())
  const numbers = (sql: string) => database.prepare(sql).all().map(Object.values)
  const minutes = () => numbers('SELECT minute, sessions FROM activeMinutes ORDER BY 1')
  const rows = () => numbers('SELECT at / 60000, count(*) FROM activeSessions GROUP BY 1 ORDER BY 1')
  const see = (batch: number, active: string[]) =>
    store.events.append(
      { run: 'r', id: batch, at: clock.nowMs, events: [], counts: {}, active, signals: [] },
      { events: 0, timelineEntries: 0 },
    )
  for (const [batch, active] of [['a', 'b', 'c'], ['a'], ['a', 'b'], ['b'], ['c', 'd']].entries()) {
    await see(batch, active)
    t.strictSame(minutes(), rows(), `batch ${batch}`)
    clock.advance(40 * second)
  }
  t.strictSame(await store.events.countActive(clock.nowMs), { hour: 4, day: 4 })
  clock.advance(25 * 3600 * second)
  await eventually('all are deleted', () => rows().length === 0)
  t.strictSame(minutes(), [])
  await see(9, ['e', 'f'])
  await store.close()

  for (const trigger of ['activeBegins', 'activeMoves', 'activeEnds']) database.exec(`DROP TRIGGER ${trigger}`)
  database.exec(`
    DROP TABLE activeMinutes;
    DROP TABLE lastingEvents;
    ALTER TABLE sessions DROP COLUMN userRevision;
    ALTER TABLE users DROP COLUMN endedAt;
    ${provenBefore};
    PRAGMA user_version = 4`)
  const again = openEmbeddedStore({ file, clock: clock.now })
  t.teardown(() => again.close())
  t.strictSame(await again.events.countActive(clock.nowMs), { hour: 2, day: 2 })
})

t.test('in a file of before, sessions are held to the user as it is when the file is brought up to date', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file })
  await scene.store.users.change('ana', { passwordHash: 'another' })
  const session = await scene.login({ userRevision: 2 })
  await scene.store.close()
  const database = new DatabaseSync(file)
  database.exec('ALTER TABLE sessions DROP COLUMN userRevision; ALTER TABLE users DROP COLUMN endedAt')
  database.exec(provenBefore)
  database.exec('PRAGMA user_version = 6')
  database.close()
  const again = openBeside(t, file, new Clock())
  t.strictSame(await again.sessions.read(session.sid), session)
  await again.users.change('ana', { disabled: true })
  const token = { sid: session.sid, generation: 1, issuedAtSeconds: 0 }
  t.match(await again.sessions.rotate(token, 0), { outcome: 'user_changed' })
})

t.test('a purge that meets a locked file attempts again later', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file, purgeEveryMs: 2 })
  const session = await scene.login({ idleTtlSeconds: 1 })
  const other = new DatabaseSync(file)
  t.teardown(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  scene.clock.advance(second + purgeMarginMs)
  await t.rejects(scene.store.ping(), StoreUnavailable)
  other.exec('ROLLBACK')
  await eventually('the purge', async () => (await scene.read(session)) === undefined)
})

t.test('in a file of before, a session knows what has arrived as far as that was known', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file })
  const [fresh, used] = [await scene.advanceGeneration(await scene.login()), await scene.login()]
  await scene.deliver(used)
  await scene.store.close()
  const database = new DatabaseSync(file)
  database.exec(`${provenBefore}; PRAGMA user_version = 7`)
  database.close()
  const again = openBeside(t, file, new Clock())
  t.strictSame(await again.sessions.read(fresh.sid), fresh)
  t.strictSame(await again.sessions.read(used.sid), { ...used, provenGeneration: 1 })
})

t.test('a client that has lost more responses in a row than are counted gets the newest again', async (t) => {
  const file = newFile()
  const scene = await openWithUser(t, { file })
  const first = await scene.login()
  const newest = await scene.advanceGeneration(first)
  const database = new DatabaseSync(file)
  database.exec(`UPDATE sessions SET generation = ${mostUnproven + 1}`)
  database.close()
  scene.clock.advance(graceMs + 1)
  const again = { outcome: 'retried', why: 'concurrent', session: { generation: mostUnproven + 1 } }
  t.match(await scene.rotate(first), again)
  t.match(await scene.rotate({ ...newest, generation: mostUnproven + 1 }), { outcome: 'rotated' })
})

// The column of a version before: only whether the newest generation had arrived.
const provenBefore = `
  ALTER TABLE sessions ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
  UPDATE sessions SET delivered = provenGeneration = generation;
  ALTER TABLE sessions DROP COLUMN provenGeneration`

function counted(file: string, table: 'sessions' | 'revocations'): number {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])
  } finally {
    database.close()
  }
}
