// The file of the embedded store: durability of its transactions, full disks, damage, and files that are not ours.
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { Database } from '../../../../plugins/session-store/embedded/database.ts'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import { StoreUnavailable } from '../../../../plugins/session-store/port/store.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const folder = temporaryFolder(t)

let files = 0
function newFile(): string {
  files += 1
  return join(folder, `${files}`, 'cardea.db')
}

t.test('a transaction that ends something is run again, to be on the disk when it answers', async (t) => {
  const database = new Database(newFile())
  t.teardown(() => database.close())
  const level = () => database.prepare('PRAGMA synchronous').get()?.['synchronous']
  const [normal, full] = [1, 2]
  const levels: unknown[] = []
  const body = () => levels.push(level())
  t.equal(
    database.write(body, () => false),
    1,
  )
  t.equal(
    database.write(body, () => true),
    3,
  )
  database.writeDurably(body)
  t.strictSame(levels, [normal, normal, full, full])
})

t.test('a full disk is StoreUnavailable, changes nothing, and passes when there is room again', async (t) => {
  const database = new Database(newFile())
  t.teardown(() => database.close())
  const limit = (pages: number) => database.read(() => database.prepare(`PRAGMA max_page_count = ${pages}`).get())
  const insert = database.prepare('INSERT INTO keys VALUES (?, ?, ?, 1, 1, ?)')
  const fill = () => insert.run(randomUUID(), 'signing', '', 'x'.repeat(100_000))
  const countKeys = () => database.read(() => database.prepare('SELECT count(*) AS n FROM keys').get()?.['n'])
  limit(30)
  const twice = () => {
    insert.run('small', 'signing', '', 'x')
    fill()
  }
  t.throws(() => database.writeDurably(twice), StoreUnavailable)
  t.throws(() => database.write(twice, () => false), { message: /full/ })
  t.equal(countKeys(), 0)
  limit(4000)
  database.writeDurably(twice)
  t.equal(countKeys(), 2)
})

t.test('after a verb has failed, asking whether the store serves is a write, until one has succeeded', async (t) => {
  const file = newFile()
  const database = new Database(file)
  t.teardown(() => database.close())
  const other = new DatabaseSync(file)
  t.teardown(() => other.close())
  // Changes when somebody else has written to the file.
  const version = () => other.prepare('PRAGMA data_version').get()?.['data_version']
  const untouched = version()
  database.prove()
  t.equal(version(), untouched)
  const fail = () => {
    throw new Error('on its way')
  }
  t.throws(() => database.write(fail, () => false))
  t.equal(version(), untouched)
  database.prove()
  const written = version()
  t.not(written, untouched, 'a full disk would have told itself now')
  database.prove()
  t.equal(version(), written)
})

t.test('while another process holds the lock, one verb waits for it and the others are refused at once', async (t) => {
  const file = newFile()
  const database = new Database(file)
  t.teardown(() => database.close())
  const other = new DatabaseSync(file)
  t.teardown(() => other.close())
  const patience = () => database.prepare('PRAGMA busy_timeout').get()?.['timeout']
  const write = () => database.write(patience, () => false)
  const usual = patience()
  t.ok(Number(usual) > 0 && Number(usual) <= 500, 'everything that is forwarded stands still for no longer')
  other.exec('BEGIN IMMEDIATE')
  t.throws(write, StoreUnavailable)
  t.equal(patience(), 0)
  t.throws(() => database.writeDurably(patience), StoreUnavailable)
  t.equal(patience(), 0)
  other.exec('ROLLBACK')
  t.equal(write(), usual, 'patient again once the lock was free')
})

t.test('a file of a newer version is refused with a sentence, and left as it is', async (t) => {
  const file = newFile()
  await openEmbeddedStore({ file }).close()
  const database = new DatabaseSync(file)
  database.exec('PRAGMA user_version = 99')
  database.close()
  t.throws(() => openEmbeddedStore({ file }), {
    message: /written by a newer Cardea \(store version 99, .* up to \d+\)/,
  })
  const after = new DatabaseSync(file)
  t.match(after.prepare('PRAGMA user_version').get(), { user_version: 99 })
  after.close()
})

t.test("another program's database, and a file that is none, are refused and left as they are", async (t) => {
  const file = newFile()
  mkdirSync(join(file, '..'))
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE theirs (x)')
  t.throws(() => openEmbeddedStore({ file }), { message: /is a database, but not a Cardea store/ })
  t.strictSame(database.prepare('SELECT name FROM sqlite_schema').all().length, 1)
  database.close()
  const text = newFile()
  mkdirSync(join(text, '..'))
  writeFileSync(text, 'not a database, but longer than the header of one would be '.repeat(20))
  t.throws(() => openEmbeddedStore({ file: text }), {
    name: 'Error',
    message: /is damaged \(file is not a database\): keep it/,
  })
})

t.test('a start on a file that turned to rubble says what to do', async (t) => {
  const file = newFile()
  const store = openEmbeddedStore({ file })
  for (let i = 0; i < 50; i += 1) {
    await store.users.add({ sub: `user ${i}`, passwordHash: 'x'.repeat(500), roles: [], scope: '' })
  }
  await store.close()
  const size = statSync(file).size
  writeFileSync(file, Buffer.alloc(size - 4096, 0xa5), { flag: 'r+', flush: true })
  t.throws(() => openEmbeddedStore({ file }), {
    message: /is damaged .*put a copy in its place, without .*-wal and .*-shm/,
  })
})

t.test('a store with a page of zeros is found damaged at the start, and not served from', async (t) => {
  const file = newFile()
  const store = openEmbeddedStore({ file })
  const user = { passwordHash: 'x'.repeat(500), roles: [], scope: '' }
  for (let i = 0; i < 40; i += 1) await store.users.add({ sub: `user${i}`, ...user })
  await store.close()
  const bytes = readFileSync(file)
  // The first pages, with the tables' descriptions, are whole.
  bytes.fill(0, bytes.length - bytes.readUInt16BE(16))
  writeFileSync(file, bytes)
  t.throws(() => openEmbeddedStore({ file, isToServe: true }), { message: /is damaged .*: keep it, and put a copy/ })
})

t.test('a mark of users that cannot be written stops nobody: whoever adds users has them', async (t) => {
  const file = newFile()
  mkdirSync(join(file, '..'))
  symlinkSync(join(folder, 'nowhere', 'mark'), `${file}.users`)
  const store = openEmbeddedStore({ file, isToServe: true })
  t.teardown(() => store.close())
  t.ok(await store.users.add({ sub: 'ana', passwordHash: '', roles: [], scope: '' }))
  t.match(await store.users.find('ana'), { sub: 'ana' })
})
