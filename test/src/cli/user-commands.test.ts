// Tests of what operators do to users and keys every day, in sentences and, with --json, for programs.
import { join } from 'node:path'
import t from 'tap'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import { runCommand } from '../../support/processes/command-line.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

// Some twenty starts of a process, on machines that may have little to give.
t.setTimeout(400_000)
const password = 'pä ss wörd '

t.test('roles are set, a user is shown, and one who is deleted is gone but for the name', async (t) => {
  const folder = temporaryFolder(t)
  const run = (...words: string[]) => runCommand(folder, words, password)
  await run('users', 'add', 'ada', '--role', 'staff', '--scope', 'orders:read')
  t.match(await run('users', 'roles', 'ada', '--role', 'boss', '--role', 'clerk'), {
    code: 0,
    stdout: 'changed the rights of ada, sessions ended: 0\n',
  })
  const shown = JSON.parse((await run('users', 'show', 'ada', '--json')).stdout)
  t.match(shown, [{ sub: 'ada', roles: ['boss', 'clerk'], scope: 'orders:read', disabled: false, sessions: 0 }])
  t.match(JSON.parse((await run('users', 'roles', 'ada', '--role=', '--json')).stdout), { sub: 'ada', ended: 0 })
  t.match(await run('users', 'roles', 'ada'), { code: 2, stderr: /needs --role or --scope/ })
  t.match(await run('users', 'roles', 'nobody', '--role', 'x'), { code: 1, stderr: 'There is no user nobody.\n' })

  const store = openEmbeddedStore({ file: join(folder, 'cardea.db') })
  t.teardown(() => store.close())
  const { revision = 0 } = (await store.users.find('ada')) ?? {}
  t.match(await run('users', 'delete', 'ada'), { code: 0, stdout: 'deleted ada, sessions ended: 0\n' })
  t.match(await store.users.find('ada'), { passwordHash: '', roles: [], scope: '', disabled: true })
  for (const verb of ['show', 'enable']) {
    t.match(await run('users', verb, 'ada'), { code: 1, stderr: 'There is no user ada.\n' }, verb)
  }
  t.equal((await run('users', 'list')).stdout, 'none\n')
  t.match(await run('users', 'add', 'ada'), { code: 0, stdout: 'added ada\n' })
  const again = await store.users.find('ada')
  t.match(again, { roles: [], scope: '', disabled: false })
  t.ok(Number(again?.revision) > revision, 'no session of before counts for whoever has the name now')
})

t.test('the last administrator is neither demoted nor deleted', async (t) => {
  const folder = temporaryFolder(t)
  await runCommand(folder, ['users', 'add', 'root', '--role', 'admin'], password)
  for (const words of [
    ['users', 'delete', 'root'],
    ['users', 'roles', 'root', '--role', 'staff'],
  ]) {
    t.match(await runCommand(folder, words), { code: 1, stderr: /^This is the last administrator/ })
  }
})

t.test('a signing key is made early, and signs only when everybody can know it', async (t) => {
  const folder = temporaryFolder(t)
  await runCommand(folder, ['users', 'add', 'ada'], password)
  const settings = { CARDEA_SECRET: 'a secret for tests that is long enough to be one' }
  const rotated = await runCommand(folder, ['keys', 'rotate', '--json'], '', settings)
  t.equal(rotated.code, 0, rotated.stderr)
  const { kid, active_from } = JSON.parse(rotated.stdout)
  t.ok(Date.parse(active_from) > Date.now() + 60_000)
  const listed = JSON.parse((await runCommand(folder, ['keys', 'list', '--json'])).stdout)
  t.equal(listed.length, 2, 'the one that signs now and the next')
  t.ok(listed.some((key: { kid: string }) => key.kid === kid))
  const foreign = { CARDEA_SECRET: 'another secret that is long enough to be one too' }
  const refused = await runCommand(folder, ['keys', 'rotate'], '', foreign)
  t.equal(refused.code, 1)
  t.match(refused.stderr, /CARDEA_SECRET/)
})

t.test('--version is that of the package, and --json is one object a line', async (t) => {
  const folder = temporaryFolder(t)
  t.match(await runCommand(folder, ['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/, stderr: '' })
  const added = await runCommand(folder, ['users', 'add', 'ada', '--generate', '--json'])
  const [first, second] = added.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(first, { password: /^\S{24}$/ })
  t.match(second, { sub: 'ada', roles: [], scope: '' })
  const checked = JSON.parse((await runCommand(folder, ['config', 'check', '--json'])).stdout)
  t.match(checked, { ok: true, routes: 0, notes: [] })
})
