// The files of the embedded store under a running gateway: deleted, replaced, cut, moved; served from twice; without the users that
// were there; upgraded, grown, restored; and a clock that was set.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import { type Store, StoreUnavailable } from '../../../../plugins/session-store/port/store.ts'
import { Clock } from '../../../support/clock.ts'
import { eventually } from '../../../support/eventually.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const user = (sub: string) => ({ sub, passwordHash: 'x'.repeat(100), roles: [], scope: '' })
const session = {
  sid: 'a'.repeat(32),
  sub: 'ana',
  idleTtlSeconds: 7 * 86_400,
  absoluteTtlSeconds: 30 * 86_400,
  roles: [],
  scope: '',
  device: '',
  ip: '',
  amr: [],
  maxSessions: 9,
  userRevision: 1,
}

function open(t: Test, file: string): Store {
  const store = openEmbeddedStore({ file, isToServe: true })
  t.teardown(() => store.close())
  return store
}

const damages: Record<string, { done: (file: string) => void; said: RegExp }> = {
  deleted: { done: (file) => rmSync(file), said: /cardea\.db is gone/ },
  'replaced by a copy of itself': {
    done: (file) => {
      copyFileSync(file, `${file}.copy`)
      renameSync(`${file}.copy`, file)
    },
    said: /cardea\.db was replaced/,
  },
  'cut to nothing': { done: (file) => truncateSync(file), said: /cardea\.db was cut to 0 bytes/ },
  'cut to a page': { done: (file) => truncateSync(file, 4096), said: /cardea\.db was cut to 4096 bytes/ },
  'robbed of its log': { done: (file) => rmSync(`${file}-wal`), said: /cardea\.db-wal is gone/ },
  'robbed of its index': { done: (file) => rmSync(`${file}-shm`), said: /cardea\.db-shm is gone/ },
  'moved with its folder': {
    done: (file) => renameSync(join(file, '..'), join(file, '../../elsewhere')),
    said: /cardea\.db is gone/,
  },
}

for (const [what, { done, said }] of Object.entries(damages)) {
  t.test(`a store that is ${what} under a running gateway refuses, and is an alarm`, async (t) => {
    const file = join(temporaryFolder(t), 'data', 'cardea.db')
    const store = open(t, file)
    const alarms: string[] = []
    store.condition.onNews(({ kind, sentence }) => kind === 'alarm' && alarms.push(sentence))
    await store.users.add(user('ana'))
    done(file)
    await t.rejects(store.users.add(user('bo')), { name: 'StoreUnavailable', message: said })
    await t.rejects(store.ping(), StoreUnavailable, 'so /readyz says that this node is not ready')
    await t.rejects(store.users.find('ana'), StoreUnavailable, 'what is read would be gone at the next start')
    await eventually('the alarm is told', () => alarms.length === 1)
    t.match(alarms[0], said)
    t.strictSame(store.condition.topics, ['file'])
  })
}

t.test('a folder that is moved back is served from again', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'data', 'cardea.db')
  const store = open(t, file)
  renameSync(join(folder, 'data'), join(folder, 'elsewhere'))
  await t.rejects(store.ping(), StoreUnavailable)
  renameSync(join(folder, 'elsewhere'), join(folder, 'data'))
  await store.ping()
  t.ok(await store.users.add(user('ana')))
  await eventually('the condition is good', () => store.condition.topics.length === 0)
})

t.test('a store that an operator has vacuumed, or works on beside the gateway, is the same store', async (t) => {
  const file = join(temporaryFolder(t), 'data', 'cardea.db')
  const store = open(t, file)
  for (let i = 0; i < 300; i += 1) await store.users.add({ ...user(`user${i}`), passwordHash: 'x'.repeat(4000) })
  const beside = openEmbeddedStore({ file })
  t.ok(await beside.users.add(user('ana')), 'the command line adds users while the gateway runs')
  await beside.close()
  t.ok(await store.users.find('ana'))
  const shell = new DatabaseSync(file)
  shell.exec("DELETE FROM users WHERE sub <> 'ana'; PRAGMA wal_checkpoint(TRUNCATE)")
  const before = statSync(file).size
  shell.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)')
  shell.close()
  t.ok(statSync(file).size < before, 'it is smaller')
  t.ok(await store.users.add(user('bo')))
})

t.test('a second gateway on the folder is refused until the first has ended, however it ended', async (t) => {
  const file = join(temporaryFolder(t), 'data', 'cardea.db')
  const source = new URL('../../../../plugins/session-store/embedded/index.ts', import.meta.url).href
  const script = `const { openEmbeddedStore } = await import(${JSON.stringify(source)})
    openEmbeddedStore({ file: ${JSON.stringify(file)}, isToServe: true }); console.log('serves'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  t.throws(() => openEmbeddedStore({ file, isToServe: true }), {
    message: /^another gateway serves from .*cardea\.db: stop it, or point CARDEA_DATA_DIR at another folder/,
  })
  const beside = openEmbeddedStore({ file })
  t.ok(await beside.users.add(user('ana')), 'the command line is no gateway')
  await beside.close()
  child.kill('SIGKILL')
  await once(child, 'exit')
  const store = openEmbeddedStore({ file, isToServe: true })
  await store.close()
  await openEmbeddedStore({ file, isToServe: true }).close()
})

t.test(
  'an empty store where there were users is refused, so that nobody is made its first administrator',
  async (t) => {
    const file = join(temporaryFolder(t), 'data', 'cardea.db')
    const first = openEmbeddedStore({ file, isToServe: true })
    await first.close()
    const second = openEmbeddedStore({ file, isToServe: true })
    t.equal(await second.users.count(), 0, 'there never was one')
    await second.users.add(user('ana'))
    await second.close()
    const keep = readFileSync(file)
    for (const lose of [() => rmSync(file), () => writeFileSync(file, ''), () => truncateSync(file)]) {
      lose()
      for (const isToServe of [true, false]) {
        t.throws(() => openEmbeddedStore({ file, isToServe }), {
          message: /cardea\.db has no users, but there were some: .* Restore a copy .* remove .*cardea\.db\.users$/,
        })
      }
      for (const end of ['-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
      writeFileSync(file, keep)
      await openEmbeddedStore({ file, isToServe: true }).close()
    }
    rmSync(`${file}.users`)
    await openEmbeddedStore({ file }).close()
    t.ok(existsSync(`${file}.users`), 'a store that has users and no mark gets it')
    rmSync(file)
    rmSync(`${file}.users`)
    const anew = openEmbeddedStore({ file, isToServe: true })
    t.equal(await anew.users.count(), 0, 'begun anew')
    await anew.close()
  },
)

t.test(
  'a reader who stays does not make the log grow for ever: an alarm while it does, and it shrinks afterwards',
  async (t) => {
    const file = join(temporaryFolder(t), 'data', 'cardea.db')
    const store = open(t, file)
    await store.users.add(user('ana'))
    const reader = new DatabaseSync(file)
    reader.exec('BEGIN; SELECT count(*) FROM users')
    reader.prepare('SELECT * FROM users').all()
    for (let i = 0; i < 70; i += 1) await store.users.change('ana', { passwordHash: `${i % 10}`.repeat(1024 * 1024) })
    t.ok(statSync(`${file}-wal`).size > 64 * 1024 * 1024, 'it grows while somebody reads')
    await eventually('an alarm', () => store.condition.topics.includes('wal'))
    reader.exec('COMMIT')
    reader.close()
    await eventually('it is over', () => store.condition.topics.length === 0)
    t.ok(statSync(`${file}-wal`).size < 1024 * 1024, 'and the file is short again')
  },
)

t.test(
  'an upgrade keeps the copy that its sentence speaks of, for this user only; not under a running gateway',
  async (t) => {
    const file = join(temporaryFolder(t), 'data', 'cardea.db')
    const store = openEmbeddedStore({ file })
    await store.users.add(user('ana'))
    await store.close()
    const database = new DatabaseSync(file)
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
    database.exec(`PRAGMA user_version = ${version + 1}`)
    t.throws(() => openEmbeddedStore({ file }), {
      message: new RegExp(`written by a newer Cardea .* such as .*cardea\\.db\\.v${version}, in its place`),
    })
    // As the version before left it: the last step is not made yet.
    database.exec('ALTER TABLE sessions ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0')
    database.exec('ALTER TABLE sessions DROP COLUMN provenGeneration')
    database.exec(`PRAGMA user_version = ${version - 1}`)
    database.close()
    const held = new DatabaseSync(`${file}.lock`)
    held.exec('BEGIN EXCLUSIVE')
    t.throws(() => openEmbeddedStore({ file }), { message: /another gateway serves from/ })
    held.close()
    await openEmbeddedStore({ file }).close()
    const copy = `${file}.v${version - 1}`
    t.equal(statSync(copy).mode & 0o777, 0o600)
    const old = new DatabaseSync(copy)
    t.equal(old.prepare('PRAGMA user_version').get()?.['user_version'], version - 1)
    t.equal(old.prepare('SELECT sub FROM users').get()?.['sub'], 'ana')
    old.close()
    t.strictSame(
      readdirSync(join(file, '..')).filter((name) => name.includes('draft')),
      [],
    )
  },
)

t.test(
  'a copy is put back as docs/operations.md says; over the log of a killed process it is called damaged',
  async (t) => {
    const folder = temporaryFolder(t)
    const file = join(folder, 'data', 'cardea.db')
    const copy = join(folder, 'copy.db')
    const store = openEmbeddedStore({ file, isToServe: true })
    await store.users.add(user('ana'))
    const shell = new DatabaseSync(file)
    shell.prepare('VACUUM INTO ?').run(copy)
    for (let i = 0; i < 200; i += 1) await store.users.add({ ...user(`user${i}`), passwordHash: 'x'.repeat(3000) })
    // What a process that was killed leaves behind.
    const killed = join(folder, 'killed')
    mkdirSync(killed)
    for (const end of ['', '-wal', '-shm', '.users']) copyFileSync(file + end, join(killed, `cardea.db${end}`))
    shell.close()
    await store.close()
    const left = join(killed, 'cardea.db')
    copyFileSync(copy, left)
    t.throws(() => openEmbeddedStore({ file: left, isToServe: true }), {
      message: /is damaged .*: keep it, and put a copy in its place, without the files .*-wal and .*-shm/,
    })
    for (const end of ['-wal', '-shm']) rmSync(left + end, { force: true })
    copyFileSync(copy, left)
    const restored = openEmbeddedStore({ file: left, isToServe: true })
    t.equal(await restored.users.count(), 1)
    await restored.close()
  },
)

t.test(
  'a clock that goes ahead purges no living session; after an hour what is over by that clock leaves',
  async (t) => {
    const clock = new Clock()
    const file = join(temporaryFolder(t), 'data', 'cardea.db')
    const options = { file, clock: clock.now, monotonic: clock.monotonic, purgeEveryMs: 5 }
    const store = openEmbeddedStore(options)
    t.teardown(() => store.close())
    await store.users.add(user('ana'))
    await store.sessions.create(session)
    const notices: string[] = []
    store.condition.onNews(({ sentence }) => notices.push(sentence))
    clock.jump(40 * 86_400_000)
    await eventually('it is noticed', () => notices.length > 0)
    t.match(notices, [/^The clock went 3456000 s ahead: nothing is purged for an hour/])
    clock.jump(-40 * 86_400_000)
    await eventually('so is its return', () => notices.length === 2)
    t.ok(await store.sessions.read(session.sid))
    clock.jump(40 * 86_400_000)
    await eventually('it is noticed again', () => notices.length === 3)
    clock.advance(3_599_000)
    t.ok(await store.sessions.read(session.sid))
    clock.advance(1_000)
    await eventually('it leaves', async () => (await store.sessions.read(session.sid)) === undefined)
  },
)

t.test('a start long after the store was last used purges nothing for an hour: the clock may be wrong', async (t) => {
  const clock = new Clock()
  const file = join(temporaryFolder(t), 'data', 'cardea.db')
  let looks = 0
  const now = () => {
    looks += 1
    return clock.nowMs
  }
  const options = { file, clock: now, monotonic: clock.monotonic, purgeEveryMs: 5 }
  const before = openEmbeddedStore(options)
  await before.users.add(user('ana'))
  await before.sessions.create(session)
  const report = { startedAt: 0, revocationLogAgeMs: 0, revocationEntries: 0, version: '0', storeAheadMs: 0 }
  await before.events.heartbeat({ ...report, node: 'a', seenAt: clock.nowMs })
  await before.close()
  clock.jump(40 * 86_400_000)
  const store = openEmbeddedStore(options)
  t.teardown(() => store.close())
  const seen = looks
  await eventually('it would have purged by now', () => looks > seen + 10)
  t.ok(await store.sessions.read(session.sid))
  clock.advance(3_600_000)
  await eventually('it leaves', async () => (await store.sessions.read(session.sid)) === undefined)
})
