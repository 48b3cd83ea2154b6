// Tests of which store a config opens, and in which words one is refused. A real Redis.
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { type Config, loadConfig } from '../../../src/config/index.ts'
import { missingStore, openStore, StoreRejected } from '../../../src/process/open-store.ts'
import { startRedis } from '../../support/redis/server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const secret = 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc'
const other = 'YW5vdGhlciBvbmUgZm9yIHRlc3RzLCBqdXN0IGFzIGxvbmc'

function configWith(t: Test, settings: Record<string, string> = {}): Config {
  return loadConfig({ env: { CARDEA_SECRET: secret, ...settings }, directory: temporaryFolder(t) })
}

t.test('without REDIS_URL it is the file in the data folder, which must be there to be looked into', async (t) => {
  const config = configWith(t)
  const file = join(config.dataDir, 'cardea.db')
  t.equal(missingStore(config), file)
  const store = await openStore(config)
  t.teardown(() => store.close())
  t.equal(store.description, `embedded (${file})`)
  t.equal(missingStore(config), undefined)
})

t.test('with REDIS_URL it is Redis, described without user and password', async (t) => {
  const { url, port } = await startRedis(t, ['--requirepass', 'hunter2'])
  const config = configWith(t, { REDIS_URL: url.replace('//', '//:hunter2@') })
  t.equal(missingStore(config), undefined, 'there is nothing to be missing')
  const store = await openStore(config)
  t.teardown(() => store.close())
  t.match(store.description, new RegExp(`^(Redis|Valkey) [0-9.]+ \\(127\\.0\\.0\\.1:${port}\\)$`))
  const withoutPassword = openStore(configWith(t, { REDIS_URL: url }))
  await t.rejects(withoutPassword, { constructor: StoreRejected, message: /demands a password/ })
})

t.test(
  'revocations are kept as long as an access token may live, and an operator’s shell shortens nothing',
  async (t) => {
    const { url } = await startRedis(t)
    const client = new Redis(url)
    t.teardown(() => client.disconnect())
    const endOne = async (settings: Record<string, string>, keepLogMs?: number) => {
      const store = await openStore(
        configWith(t, { REDIS_URL: url, ...settings }),
        keepLogMs === undefined ? {} : { keepLogMs },
      )
      await store.users.add({ sub: 'ana', passwordHash: '', roles: [], scope: '' })
      const [key = ''] = (await client.keys('*:ana')).map((name) => name.slice(3, 11))
      const sid = `${key}${String(performance.now()).replace('.', '').padStart(24, '0').slice(-24)}`
      const common = { idleTtlSeconds: 60, absoluteTtlSeconds: 60, roles: [], scope: '', device: '', ip: '', amr: [] }
      await store.sessions.create({ sid, sub: 'ana', ...common, maxSessions: 9, userRevision: 1 })
      await store.sessions.end(sid, 'logout')
      await store.close()
      return (await client.pttl('c:revocations')) / 3_600_000
    }
    const day = { CARDEA_ACCESS_TTL: '1d' }
    t.ok((await endOne({})) > 0.9, 'an hour at least')
    t.ok((await endOne(day)) > 47.9, 'twice the life of a token')
    t.ok((await endOne({}, 48 * 3_600_000)) > 47.9)
  },
)

t.test('a store that must not be used is refused in a sentence', async (t) => {
  const { url } = await startRedis(t)
  await (await openStore(configWith(t, { REDIS_URL: url }))).close()
  const foreign = openStore(configWith(t, { REDIS_URL: url, CARDEA_SECRET: other }))
  await t.rejects(foreign, { constructor: StoreRejected, message: /opens with none of the secrets of CARDEA_SECRET/ })
  await (await openStore(configWith(t, { REDIS_URL: url, CARDEA_SECRET: `${other},${secret}` }))).close()

  const evicting = await startRedis(t, ['--maxmemory-policy', 'allkeys-lru'])
  const warnings: string[] = []
  const options = { onWarning: (sentence: string) => warnings.push(sentence) }
  const refused = openStore(configWith(t, { REDIS_URL: evicting.url }), options)
  await t.rejects(refused, { constructor: StoreRejected, message: /maxmemory-policy noeviction/ })
  t.strictSame(warnings, [])
})
