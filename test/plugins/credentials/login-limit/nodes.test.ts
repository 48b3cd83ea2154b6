// The login limit on Redis: what a login costs there, what can be read there, and that nodes count together.
import { Redis } from 'ioredis'
import t from 'tap'
import { deriveSecrets } from '../../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../../../plugins/keys/subject-tag.ts'
import type { KeyStore, Store } from '../../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { subjectTag } from '../../../../plugins/session-store/refresh-token.ts'
import { Clock } from '../../../support/clock.ts'
import { gatewaySecret, password, startGateway } from '../../../support/gateway.ts'
import { newPrefix, sharedRedis, startRedis } from '../../../support/redis/server.ts'
import { attemptLogin, deviceOf, from, limit, minute } from './scene.ts'

// The same tag for the same text on every node, as the key in the store makes it; `startGateway` makes sids with that key.
function openNode(url: string, prefix: string): (clock: Clock) => Promise<Store> {
  const loadSubjectTag = async (keys: KeyStore) => {
    const key = await loadSubjectTagKey(keys, deriveSecrets([gatewaySecret]))
    return (text: string) => subjectTag(text, key)
  }
  return (clock) => openRedisStore({ url, prefix, clock: clock.now, loadSubjectTag, deadlineMs: 10_000 })
}

t.test('a login waits for three round trips: the user is looked up beside the first budget', async (t) => {
  const [url, prefix] = [await sharedRedis(t), newPrefix()]
  const { post } = await startGateway(t, { openStore: openNode(url, prefix) })
  const login = async () => (await post('/auth/login', { username: 'alice', password })).statusCode
  // The first use of a script sends its text.
  t.equal(await login(), 200)
  const redis = new Redis(url, { protocol: 2, disableClientInfo: true })
  t.teardown(() => redis.disconnect())
  const monitor = await redis.monitor()
  t.teardown(() => monitor.disconnect())
  const seen: string[][] = []
  const marked = Promise.withResolvers<void>()
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (args.includes(`${prefix}mark`)) marked.resolve()
    else if (source !== 'lua') seen.push(args)
  })
  t.equal(await login(), 200)
  await redis.get(`${prefix}mark`)
  await marked.promise
  const ofLogin = seen.flatMap((args) => {
    if (args.some((arg) => arg.startsWith(`${prefix}t{`))) return args.includes('right') ? ['give back'] : ['take']
    if (!args.some((arg) => arg.startsWith(prefix) && arg.endsWith(':alice'))) return []
    return [args[0]?.toLowerCase() === 'hgetall' ? 'find' : 'create']
  })
  t.strictSame(ofLogin.toSorted(), ['create', 'find', 'give back', 'give back', 'take', 'take'])
  t.ok(ofLogin.indexOf('find') < ofLogin.lastIndexOf('take'), 'nobody waited for the budget before looking up')
})

t.test('two nodes on one Redis count together, and know each other’s devices', async (t) => {
  const clock = new Clock()
  const openStore = openNode(await sharedRedis(t), newPrefix())
  const [one, other] = [
    await startGateway(t, { ...limit, clock, openStore }),
    await startGateway(t, { ...limit, clock, openStore }),
  ]
  const device = deviceOf(await attemptLogin(one, 'alice', '192.0.2.1', password))
  const seen = []
  for (const [i, [name, address]] of from('198.51.100', 6).entries()) {
    seen.push((await attemptLogin(i % 2 === 0 ? one : other, name, address)).statusCode)
  }
  t.strictSame(seen, [401, 401, 401, 401, 429, 429])
  for (const node of [one, other]) {
    t.match(await attemptLogin(node, 'alice', '192.0.2.99', password), {
      statusCode: 429,
      headers: { 'retry-after': '60' },
    })
    t.equal(
      (await attemptLogin(node, 'root', '192.0.2.98', password)).statusCode,
      200,
      'another subject is not touched',
    )
    t.equal((await attemptLogin(node, 'alice', '192.0.2.99', password, device)).statusCode, 200, 'a known device')
  }
  clock.advance(minute)
  t.equal((await attemptLogin(other, 'alice', '192.0.2.97', password)).statusCode, 200)
})

t.test('no name that was tried can be read in Redis, and every budget goes by itself', async (t) => {
  const redis = await startRedis(t)
  const prefix = newPrefix()
  const gateway = await startGateway(t, { ...limit, openStore: openNode(redis.url, prefix) })
  await attemptLogin(gateway, 'my password, typed into the wrong field', '192.0.2.77')
  const client = new Redis(redis.url)
  t.teardown(() => client.disconnect())
  const budgets = (await client.keys('*')).filter((key) => key.startsWith(`${prefix}t{`))
  t.equal(budgets.length, 3, 'of the address, of the subject, and of both')
  for (const key of budgets) {
    t.match(key.slice(prefix.length), /^t\{[\w-]{8}\}[\w-]{8}$/)
    t.equal((await client.getBuffer(key))?.length, 12)
    const ttlMs = await client.pttl(key)
    t.ok(ttlMs > 30_000 && ttlMs <= 9 * minute, 'until all is forgotten')
  }
})
