// The login limit on Redis: what a login costs there, what can be read there, and that nodes count together.
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
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

/**
 * Tells every command that a Redis carries out from now on, over a socket of its own: a client library takes a line that comes at
 * once behind the `OK` for the response to a command that nobody sent.
 * @param onCommand gets the words of a command, and whether a script sent it
 */
async function monitor(t: Test, url: string, onCommand: (words: string[], isOfScript: boolean) => void): Promise<void> {
  const { hostname, port, username, password: secret } = new URL(url)
  const socket = createConnection({ host: hostname, port: Number(port || 6379) })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const name = decodeURIComponent(username) || 'default'
  if (secret !== '') socket.write(`AUTH ${name} ${decodeURIComponent(secret)}\r\n`)
  socket.write('MONITOR\r\n')
  const isWatching = Promise.withResolvers<void>()
  let okays = secret === '' ? 1 : 2
  createInterface(socket).on('line', (line) => {
    const [, source = '', rest = ''] = /^\+[0-9.]+ \[[0-9]+ (\S+)\] (.*)$/.exec(line) ?? []
    if (line === '+OK') okays -= 1
    if (okays === 0) isWatching.resolve()
    const words = [...rest.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) => word)
    if (words.length > 0) onCommand(words, source === 'lua')
  })
  await isWatching.promise
}

t.test('a login waits for three round trips: the user is looked up beside the first budget', async (t) => {
  const [url, prefix] = [await sharedRedis(t), newPrefix()]
  const { post } = await startGateway(t, { openStore: openNode(url, prefix) })
  const login = async () => (await post('/auth/login', { username: 'alice', password })).statusCode
  // The first use of a script sends its text.
  t.equal(await login(), 200)
  const redis = new Redis(url, { protocol: 2, disableClientInfo: true })
  t.teardown(() => redis.disconnect())
  const seen: string[][] = []
  const marked = Promise.withResolvers<void>()
  await monitor(t, url, (words, isOfScript) => {
    if (words.includes(`${prefix}mark`)) marked.resolve()
    else if (!isOfScript) seen.push(words)
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
