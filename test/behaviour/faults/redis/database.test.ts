// The database that REDIS_URL names is the one that is used, or the start is refused: a connection that Redis leaves in database 0
// is never written to, at start or after any reconnection.
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { aclRule } from '../../../../plugins/session-store/redis/start/checks.ts'
import { eventually } from '../../../support/eventually.ts'
import { type RedisServer, startRedis } from '../../../support/redis/server.ts'
import { send } from '../../../support/redis/topology.ts'

const open = (url: string) =>
  openRedisStore({ url, loadSubjectTag: async () => () => 'AAAAAAAA', startTimeoutMs: 5_000 })

async function sizeOf(server: RedisServer, db = 0): Promise<number> {
  const redis = new Redis(server.port, '127.0.0.1', { db, protocol: 2, disableClientInfo: true })
  const size = await redis.dbsize()
  redis.disconnect()
  return size
}

/** A user who may do what the ACL rule says, but for some commands. */
async function addUser(server: RedisServer, ...rules: string[]): Promise<void> {
  await send(server, ['ACL', 'SETUSER', 'cardea', 'reset', 'on', '>x', ...aclRule.split(' '), ...rules])
}

async function refusedStart(t: Test, url: string): Promise<void> {
  const startedAt = performance.now()
  await t.rejects(open(url), { message: /database \d+ of REDIS_URL is refused/ })
  t.ok(performance.now() - startedAt < 3_000, 'at once, not when the time for reaching Redis is up')
}

t.test('a database number that Redis does not have is a refusal to start, not database 0', async (t) => {
  const server = await startRedis(t)
  await refusedStart(t, `${server.url}/99`)
  t.equal(await sizeOf(server), 0)
})

t.test('a user who may not select is a refusal to start, and so is one who may not ask where it is', async (t) => {
  const server = await startRedis(t)
  for (const missing of ['-select', '-client|info']) {
    await addUser(server, missing)
    await refusedStart(t, `redis://cardea:x@127.0.0.1:${server.port}/3`)
  }
  t.equal(await sizeOf(server), 0)
})

t.test(
  'a database that is refused after a reconnection is not written to, and used again when it is back',
  async (t) => {
    const server = await startRedis(t)
    await addUser(server)
    const store = await open(`redis://cardea:x@127.0.0.1:${server.port}/3`)
    t.teardown(() => store.close())
    await store.ping()
    t.equal(await sizeOf(server), 0)
    t.ok((await sizeOf(server, 3)) > 0)
    await addUser(server, '-select')
    await send(server, ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
    const problem = () => store.ping().then(String, (error: Error) => error.message)
    for (let i = 0; i < 3; i += 1) {
      await eventually('it is refused', async () => /database 3 of REDIS_URL is refused/.test(await problem()))
      t.equal(await sizeOf(server), 0)
    }
    await addUser(server)
    await eventually('it serves again', () =>
      store.ping().then(
        () => true,
        () => false,
      ),
    )
    t.equal(await sizeOf(server), 0)
  },
)
