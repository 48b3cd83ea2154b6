// Tests of `backup` and `restore`: a copy is whole although the gateway serves, a restore needs it stopped, ends every session,
// keeps what was there, and refuses what is no copy.
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import { adminPassword, keepAlive, refresh, signIn } from '../../support/gateway-client.ts'
import { runCommand } from '../../support/processes/command-line.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

t.setTimeout(400_000)

t.test('a backup of a gateway that serves is restored, and every session of it has ended', async (t) => {
  const dataDir = join(temporaryFolder(t), 'data')
  const copy = join(temporaryFolder(t), 'copy.db')
  const settings = {
    CARDEA_DATA_DIR: dataDir,
    CARDEA_ADMIN_PASSWORD: adminPassword,
    CARDEA_ISSUER: 'https://gateway.test',
  }
  const gateway = await GatewayProcess.start(settings)
  t.teardown(() => gateway.kill('SIGKILL'))
  const agent = keepAlive(2)
  t.teardown(() => agent.close())
  const tokens = await signIn(gateway.url)
  t.match(await runCommand(dataDir, ['backup', copy]), {
    code: 0,
    stdout: `copied the store into ${copy}\n`,
    stderr: '',
  })
  t.equal(statSync(copy).mode & 0o777, 0o600)
  t.match(await runCommand(dataDir, ['backup', copy]), { code: 1, stderr: /exists already/ }, 'it overwrites nothing')
  t.match(await runCommand(dataDir, ['restore', copy]), { code: 1, stderr: /another gateway serves from/ })
  await runCommand(dataDir, ['users', 'add', 'late', '--generate'])
  t.equal(await gateway.stop(), 0)

  const restored = await runCommand(dataDir, ['restore', copy, '--json'])
  t.equal(restored.code, 0)
  const { before } = JSON.parse(restored.stdout)
  t.match(before, /cardea\.db\.before-\d{8}T\d{9}Z$/)
  t.ok(existsSync(before), 'what was there is kept')
  await gateway.restart()
  t.equal((await refresh(gateway.url, tokens.refresh_token, agent)).status, 400, 'a session of the copy has ended')
  t.match((await runCommand(dataDir, ['users', 'list'])).stdout, /^(?!.*late)/s, 'and what came later is not in it')
  await signIn(gateway.url)
})

t.test('what is no copy of a store is refused, and nothing changes', async (t) => {
  const folder = temporaryFolder(t)
  const store = openEmbeddedStore({ file: join(folder, 'cardea.db') })
  await store.users.add({ sub: 'ada', passwordHash: '', roles: [], scope: '' })
  await store.close()
  const before = readFileSync(join(folder, 'cardea.db'))
  const other = join(temporaryFolder(t), 'other.db')
  writeFileSync(other, 'this is a letter, and not a database at all')
  const empty = join(temporaryFolder(t), 'empty.db')
  writeFileSync(empty, '')
  const damaged = join(temporaryFolder(t), 'damaged.db')
  copyFileSync(join(folder, 'cardea.db'), damaged)
  const bytes = readFileSync(damaged)
  writeFileSync(damaged, bytes.fill(0xff, 4096, 12_288))
  for (const [source, why] of [
    [other, /is no copy of a Cardea store/],
    [empty, /is empty, and no copy/],
    [damaged, /damaged|malformed/],
    [join(folder, 'none.db'), /there is no file/],
  ] as const) {
    const refused = await runCommand(folder, ['restore', source])
    t.match(refused, { code: 1, stdout: '', stderr: why })
    t.notMatch(refused.stderr, / at .*:\d+/, 'a sentence, no stack')
  }
  t.strictSame(readFileSync(join(folder, 'cardea.db')), before)
  t.strictSame(
    readdirSync(folder).filter((name) => /draft|before|restored/.test(name)),
    [],
  )
})

t.test('with Redis both say who copies it', async (t) => {
  for (const verb of ['backup', 'restore']) {
    const refused = await runCommand(temporaryFolder(t), [verb, 'copy.db'], '', { REDIS_URL: 'redis://127.0.0.1:1' })
    t.match(refused, { code: 1, stderr: /Redis is copied by its own means/ })
  }
})
