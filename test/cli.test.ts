// The command line on a real file: what it changes, what it prints, its exit codes, and that a password never shows.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { verifyPassword } from '../plugins/credentials/password.ts'
import { openEmbeddedStore } from '../plugins/session-store/embedded.ts'
import type { Store } from '../plugins/session-store/store.ts'

const root = new URL('..', import.meta.url).pathname

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

function folder(t: Test): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'cardea-cli-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
  return dataDir
}

async function run(dataDir: string, args: string[], input = ''): Promise<Outcome> {
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, CARDEA_DATA_DIR: dataDir }
  const child = spawn(process.execPath, ['src/cli.ts', ...args], { cwd: root, env, stdio: 'pipe' })
  // A command that refuses does not wait for its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited])
  return { code, stdout, stderr }
}

function open(t: Test, dataDir: string): Store {
  const store = openEmbeddedStore({ file: join(dataDir, 'cardea.db') })
  t.teardown(() => store.close())
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
  const dataDir = folder(t)
  const added = await run(
    dataDir,
    ['users', 'add', 'Ada', '--role', 'admin', '--scope', 'orders:read orders:write'],
    'pä ss \n',
  )
  t.match(added, { code: 0, stdout: 'added ada\n', stderr: '' })
  const store = open(t, dataDir)
  const user = await store.users.find('ada')
  t.match(user, { roles: ['admin'], scope: 'orders:read orders:write', disabled: false })
  t.ok(await verifyPassword(user?.passwordHash ?? '', 'pä ss '), 'only the line feed is taken off')

  const again = await run(dataDir, ['users', 'add', 'ada'], 'other')
  t.match(again, { code: 1, stdout: '', stderr: 'There is a user ada already.\n' })

  const listed = await run(dataDir, ['users', 'list', '--json'])
  const [row] = JSON.parse(listed.stdout)
  t.match(row, { sub: 'ada', roles: ['admin'], disabled: false })
  t.notMatch(listed.stdout, /argon2/, 'no hash is shown')
  t.match(
    (await run(dataDir, ['users', 'list'])).stdout,
    /^sub +roles +scope +disabled +created_at\nada +admin +orders/,
  )

  await startSession(store, sidOne)
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
  const dataDir = folder(t)
  await run(dataDir, ['users', 'add', 'ada', '--generate'])
  const store = open(t, dataDir)
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
  const dataDir = folder(t)
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
  await run(dataDir, ['users', 'add', 'ada', '--generate'])
  for (const args of wrong) {
    const { code, stdout, stderr } = await run(dataDir, args)
    t.equal(code, 2, args.join(' '))
    t.match(stdout + stderr, /users add <name>/)
  }
  t.match((await run(dataDir, ['user', 'list'])).stderr, /did you mean users list\?/)
  t.equal((await run(dataDir, ['--help'])).code, 0)
})

t.test('what cannot be done exits with 1 and says why', async (t) => {
  const dataDir = folder(t)
  t.match(await run(dataDir, ['users', 'list']), { code: 1, stderr: /^There is no store at .*CARDEA_DATA_DIR/ })
  t.notOk(existsSync(join(dataDir, 'cardea.db')), 'looking makes no store')
  await run(dataDir, ['users', 'add', 'ada', '--generate'])
  const refused: [string[], string, RegExp][] = [
    [['users', 'add', 'bob smith'], 'x', /cannot be a user name/],
    [['users', 'add', 'bob'], '', /at least one character/],
    [['users', 'add', 'bob'], 'x'.repeat(257), /at most 256 characters/],
    [['users', 'add', 'bob', '--role', 'ad"min'], 'x', /cannot be a role/],
    [['users', 'disable', 'bob'], '', /There is no user bob/],
    [['users', 'passwd', 'bob'], 'x', /There is no user bob/],
  ]
  for (const [args, input, sentence] of refused)
    t.match(await run(dataDir, args, input), { code: 1, stdout: '', stderr: sentence })
})

t.test('the config is checked and its schema printed; keys are listed by name only', async (t) => {
  const dataDir = folder(t)
  t.match(await run(dataDir, ['config', 'check']), { code: 0, stdout: /^the configuration is right; routes: 0\n/ })
  t.match(JSON.parse((await run(dataDir, ['config', 'schema'])).stdout), { title: 'Cardea configuration' })
  await run(dataDir, ['users', 'add', 'ada', '--generate'])
  const store = open(t, dataDir)
  await store.keys.add({ id: 'key-1', use: 'signing', alg: 'ES256', createdAt: 0, activeFrom: 0, sealed: 'c2VhbGVk' })
  const { stdout } = await run(dataDir, ['keys', 'list'])
  t.match(stdout, /key-1 +signing +ES256 +1970/)
  t.notMatch(stdout, /c2VhbGVk/)
})

t.test('a config with mistakes stops a command and shows them all', async (t) => {
  const dataDir = folder(t)
  const { PATH } = process.env
  const env = { PATH, CARDEA_DATA_DIR: dataDir, PORT: 'abc', CARDEA_GRACE: 'soon' }
  const child = spawn(process.execPath, ['src/cli.ts', 'config', 'check'], { cwd: root, env })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const stderr = await text(child.stderr)
  t.equal(await exited, 1)
  t.match(stderr, /^The configuration has 2 mistakes:\n {2}- PORT is "abc".*\n {2}- CARDEA_GRACE is "soon"/)
  t.notMatch(stderr, / at /, 'no stack')
})
