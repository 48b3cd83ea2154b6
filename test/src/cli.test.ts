// The command line on a real file: what it changes, what it prints, its exit codes, and that a password never shows.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { verifyPassword } from '../../plugins/credentials/password.ts'
import { openEmbeddedStore } from '../../plugins/session-store/embedded/index.ts'
import type { Store } from '../../plugins/session-store/port/store.ts'
import { runCommand as run } from '../support/processes/command-line.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const root = new URL('../..', import.meta.url).pathname

function open(t: Test, dataDir: string): Store {
  const store = openEmbeddedStore({ file: join(dataDir, 'cardea.db') })
  t.teardown(() => store.close())
  return store
}

/** A store with the user `ada` in it, as `users add` would make it. */
async function openWithAda(t: Test, dataDir: string): Promise<Store> {
  const store = open(t, dataDir)
  await store.users.add({ sub: 'ada', passwordHash: '', roles: [], scope: '' })
  return store
}

async function startSession(store: Store, sid: string, device = 'test'): Promise<void> {
  const user = await store.users.find('ada')
  await store.sessions.create({
    sid,
    sub: 'ada',
    idleTtlSeconds: 600,
    absoluteTtlSeconds: 600,
    roles: [],
    scope: '',
    device,
    ip: '127.0.0.1',
    amr: ['pwd'],
    maxSessions: 10,
    userRevision: user?.revision ?? -1,
  })
}

const sidOne = 'a'.repeat(32)
const sidTwo = `${'a'.repeat(8)}${'b'.repeat(24)}`

t.test('users are added, listed, disabled, enabled and given a new password', async (t) => {
  const dataDir = temporaryFolder(t)
  const added = await run(
    dataDir,
    ['users', 'add', 'Ada', '--role', 'admin', '--scope', 'orders:read orders:write'],
    'pä ss wörd \n',
  )
  t.match(added, {
    code: 0,
    stdout: 'added ada\n',
    stderr: '',
    store: `store: embedded (${join(dataDir, 'cardea.db')}), made now\n`,
  })
  const store = open(t, dataDir)
  const user = await store.users.find('ada')
  t.match(user, { roles: ['admin'], scope: 'orders:read orders:write', disabled: false })
  t.ok(await verifyPassword(user?.passwordHash ?? '', 'pä ss wörd '), 'only the line feed is taken off')

  for (const weak of ['password1', 'Bobby-2026']) {
    const refused = await run(dataDir, ['users', 'add', 'bobby'], weak)
    t.match(refused, { code: 1, stdout: '', stderr: /^That password is too easy to guess\. It is / })
  }
  t.equal(await store.users.find('bobby'), undefined)

  const again = await run(dataDir, ['users', 'add', 'ada'], 'another one')
  t.match(again, { code: 1, stdout: '', stderr: 'There is a user ada already.\n', store: '' })

  const listed = await run(dataDir, ['users', 'list', '--json'])
  const [row] = JSON.parse(listed.stdout)
  t.match(row, { sub: 'ada', roles: ['admin'], disabled: false })
  t.notMatch(listed.stdout, /argon2/, 'no hash is shown')
  t.match(
    (await run(dataDir, ['users', 'list'])).stdout,
    /^sub +roles +scope +disabled +created_at\nada +admin +orders/,
  )

  await startSession(store, sidOne)
  const last = { code: 1, stdout: '', stderr: 'This is the last administrator; make another one first.\n' }
  t.match(await run(dataDir, ['users', 'disable', 'ada']), last)
  t.match(await store.users.find('ada'), { disabled: false })
  await store.users.add({ sub: 'eve', passwordHash: '', roles: ['admin'], scope: '' })
  t.match(await run(dataDir, ['users', 'disable', 'ada']), { code: 0, stdout: 'disabled ada, sessions ended: 1\n' })
  t.match(await store.users.find('ada'), { disabled: true })
  t.match(await store.sessions.read(sidOne), { endReason: 'user_disabled' })
  t.match(await run(dataDir, ['users', 'enable', 'ada']), { code: 0, stdout: 'enabled ada\n' })

  await startSession(store, sidTwo)
  const changed = await run(dataDir, ['users', 'passwd', 'ada', '--generate'])
  const [, password = ''] = /^password: (\S+)\n/.exec(changed.stdout) ?? []
  t.match(changed, { code: 0, stdout: /changed the password of ada, sessions ended: 1\n$/ })
  t.ok(await verifyPassword((await store.users.find('ada'))?.passwordHash ?? '', password))
  t.match(await store.sessions.read(sidTwo), { endReason: 'password_changed' })
})

t.test('sessions are listed without steering the terminal, and revoked one by one or all at once', async (t) => {
  const dataDir = temporaryFolder(t)
  const store = await openWithAda(t, dataDir)
  await startSession(store, sidOne, 'evil\u001b[2Jphone\u202e')
  await startSession(store, sidTwo)

  const table = await run(dataDir, ['sessions', 'list', '--sub', 'ada'])
  t.match(table.stdout, /evil\\u001b\[2Jphone\\u202e/)
  t.notOk(table.stdout.includes('\u001b'))
  const rows = JSON.parse((await run(dataDir, ['sessions', 'list', '--sub', 'ada', '--json'])).stdout)
  t.strictSame(rows.map((row: { sid: string }) => row.sid).sort(), [sidOne, sidTwo])

  t.match(await run(dataDir, ['sessions', 'revoke', sidOne]), { code: 0, stdout: 'sessions ended: 1\n' })
  t.match(await store.sessions.read(sidOne), { endReason: 'revoked_by_admin' })
  t.match(await run(dataDir, ['sessions', 'revoke', sidOne]), { code: 1, stderr: /^There is no live session/ })
  t.match(await run(dataDir, ['sessions', 'revoke', '--sub', 'ada']), { code: 0, stdout: 'sessions ended: 1\n' })
  t.strictSame(await store.sessions.list('ada'), [])
  t.equal((await run(dataDir, ['sessions', 'list', '--sub', 'ada'])).stdout, 'none\n')
})

t.test('a wrong command line exits with 2 and shows the usage', async (t) => {
  const dataDir = temporaryFolder(t)
  const wrong = [
    [],
    ['user', 'list'],
    ['users', 'add'],
    ['users', 'add', 'ada', '--password', 'hunter2'],
    ['users', 'list', 'extra'],
    ['sessions', 'list'],
    ['sessions', 'revoke'],
    ['constructor', ''],
  ]
  await openWithAda(t, dataDir)
  const outcomes = await Promise.all(wrong.map((args) => run(dataDir, args)))
  for (const [i, { code, stdout, stderr }] of outcomes.entries()) {
    t.equal(code, 2, `${wrong[i]?.join(' ')}`)
    t.match(stdout + stderr, /users add <name>/)
  }
  t.match((await run(dataDir, ['user', 'list'])).stderr, /did you mean users list\?/)
  t.equal((await run(dataDir, ['--help'])).code, 0)
})

t.test('what cannot be done exits with 1 and says why', async (t) => {
  const dataDir = temporaryFolder(t)
  t.match(await run(dataDir, ['users', 'list']), { code: 1, stderr: /^There is no store at .*CARDEA_DATA_DIR/ })
  t.notOk(existsSync(join(dataDir, 'cardea.db')), 'looking makes no store')
  await openWithAda(t, dataDir)
  const refused: [string[], string, RegExp][] = [
    [['users', 'add', 'bob smith'], 'x', /cannot be a user name/],
    [['users', 'add', 'bob'], '', /at least one character/],
    [['users', 'add', 'bob'], 'x'.repeat(257), /at most 256 characters/],
    [['users', 'add', 'bob', '--role', 'ad"min'], 'x', /cannot be a role/],
    [['users', 'disable', 'bob'], '', /There is no user bob/],
    [['users', 'passwd', 'bob'], 'x', /There is no user bob/],
  ]
  const outcomes = await Promise.all(refused.map(([args, input]) => run(dataDir, args, input)))
  for (const [i, [args, , sentence]] of refused.entries())
    t.match(outcomes[i], { code: 1, stdout: '', stderr: sentence }, args.join(' '))
})

t.test('the config is checked and its schema printed; keys are listed by name only', async (t) => {
  const dataDir = temporaryFolder(t)
  t.match(await run(dataDir, ['config', 'check']), { code: 0, stdout: /^the configuration is right; routes: 0\n/ })
  t.match(JSON.parse((await run(dataDir, ['config', 'schema'])).stdout), { title: 'Cardea configuration' })
  const store = open(t, dataDir)
  await store.keys.add({ id: 'key-1', use: 'signing', alg: 'ES256', createdAt: 0, activeFrom: 0, sealed: 'c2VhbGVk' })
  const { stdout } = await run(dataDir, ['keys', 'list'])
  t.match(stdout, /key-1 +signing +ES256 +1970/)
  t.notMatch(stdout, /c2VhbGVk/)
})

t.test('a config with mistakes stops a command and shows them all', async (t) => {
  const mistaken = { PORT: 'abc', CARDEA_GRACE: 'soon' }
  const { code, stderr } = await run(temporaryFolder(t), ['config', 'check'], '', mistaken)
  t.equal(code, 1)
  t.match(stderr, /^The configuration has 2 mistakes:\n {2}- PORT is "abc".*\n {2}- CARDEA_GRACE is "soon"/)
  t.notMatch(stderr, / at /, 'no stack')
})

t.test(
  'config check reads the documents that routes name: a wrong file is a mistake, a service that is away a note',
  async (t) => {
    const folder = temporaryFolder(t)
    const file = join(folder, 'cardea.config.yaml')
    const route = (prefix: string, openapi: string) =>
      `  - { prefix: ${prefix}, upstream: "http://127.0.0.1:9", rewrite: /v2, openapi: "${openapi}" }\n`
    const check = () => run(folder, ['config', 'check'], '', { CARDEA_CONFIG: file })
    const petstore = join(root, 'test/fixtures/openapi/petstore.yaml')
    writeFileSync(file, `routes:\n${route('/pets', petstore)}${route('/away', 'http://127.0.0.1:9/openapi.json')}`)
    const right = await check()
    t.match(right, { code: 0, stdout: /note: the document of \/away, .* cannot be fetched/ })
    t.match(right.stdout, /the configuration is right; routes: 2/)
    writeFileSync(join(folder, 'old.json'), '{"swagger":"2.0"}')
    writeFileSync(file, `routes:\n${route('/old', 'old.json')}${route('/none', 'none.json')}`)
    const wrong = await check()
    t.match(wrong, { code: 1, stderr: /^The configuration has 2 mistakes:\n/ })
    t.match(wrong.stderr, /the document of \/old, .*Swagger 2\.0/)
    t.match(wrong.stderr, /the document of \/none, .*ENOENT/)
  },
)
