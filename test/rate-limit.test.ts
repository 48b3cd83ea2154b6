// The limit on login tries, as a client meets it, on one node and on two. Time is held. How tries are counted, the contract of
// the stores says (test/contract/tries.ts).
import { Redis } from 'ioredis'
import t from 'tap'
import { networkOf } from '../plugins/rate-limit.ts'
import { deriveSecrets } from '../plugins/secrets.ts'
import { openEmbeddedStore } from '../plugins/session-store/embedded.ts'
import { openRedisStore } from '../plugins/session-store/redis.ts'
import { subjectTag } from '../plugins/session-store/refresh-token.ts'
import { type KeyStore, type Store, StoreUnavailable } from '../plugins/session-store/store.ts'
import { loadSubjectTagKey } from '../plugins/session-store/subject-tag.ts'
import { Clock } from './clock.ts'
import { type Gateway, type GatewayOverrides, gatewaySecret, password, startGateway } from './gateway.ts'
import { newPrefix, sharedRedis, startRedis } from './redis-server.ts'

const limit: GatewayOverrides = { config: { loginLimit: { max: 3, windowMs: 60_000 } } }

function tryLogin({ post }: Gateway, username: string, from: string, given = 'wrong', headers = {}) {
  return post('/auth/login', { username, password: given }, { remoteAddress: from, headers })
}

async function statuses(
  gateway: Gateway,
  tries: [username: string, from: string, given?: string][],
): Promise<number[]> {
  const seen = []
  for (const [username, from, given] of tries) seen.push((await tryLogin(gateway, username, from, given)).statusCode)
  return seen
}

t.test('tries are limited per subject, whatever the address and the spelling, right or wrong', async (t) => {
  const gateway = await startGateway(t, limit)
  t.strictSame(
    await statuses(gateway, [
      ['alice', '192.0.2.1'],
      ['ALICE', '192.0.2.2', password],
      ['ａlice', '192.0.2.3'],
      ['alice', '192.0.2.4', password],
    ]),
    [401, 200, 401, 429],
  )
  const answer = await tryLogin(gateway, 'Alice', '192.0.2.5', password)
  t.match(answer.json(), { status: 429, code: 'too_many_requests' })
  t.equal(answer.headers['retry-after'], '60')
  t.equal(answer.headers['set-cookie'], undefined)
  t.match(gateway.events('login_limited')[0], { sub: 'alice', detail: 'limit per subject', granted: false })
  t.strictSame(await statuses(gateway, [['root', '192.0.2.5', password]]), [200], 'another subject is not touched')
})

t.test('a subject that does not exist, or cannot, is limited just the same', async (t) => {
  const gateway = await startGateway(t, limit)
  for (const username of ['nobody', 'no body']) {
    const tries = [1, 2, 3, 4].map((host): [string, string] => [username, `198.51.100.${host}`])
    t.strictSame(await statuses(gateway, tries), [401, 401, 401, 429], username)
  }
})

t.test('tries are limited per address, an IPv6 /64 being one, whatever the subject', async (t) => {
  const gateway = await startGateway(t, limit)
  t.strictSame(
    await statuses(gateway, [
      ['u1', '2001:db8:0:1::1'],
      ['u2', '2001:db8:0:1:ffff::2'],
      ['u3', '2001:db8:0:1::3'],
      ['u4', '2001:db8:0:1:abcd:ef01:2345:6789'],
      ['u5', '2001:db8:0:2::1'],
    ]),
    [401, 401, 401, 429, 401],
  )
  t.strictSame(
    await statuses(gateway, [
      ['u1', '192.0.2.9'],
      ['u2', '::ffff:192.0.2.9'],
      ['u3', '192.0.2.9'],
      ['u4', '::ffff:192.0.2.9'],
    ]),
    [401, 401, 401, 429],
    'IPv4 in IPv6 is the IPv4 address',
  )
})

t.test('a flood from one address uses up that address’s tries, not the subject’s', async (t) => {
  const gateway = await startGateway(t, { config: { loginLimit: { max: 5, windowMs: 60_000 } } })
  const flood = Array.from({ length: 3 }, (_, i): [string, string] => [`u${i}`, '192.0.2.66'])
  await statuses(gateway, flood)
  const onAlice = Array.from({ length: 30 }, (): [string, string] => ['alice', '192.0.2.66'])
  t.equal((await statuses(gateway, onAlice)).filter((status) => status === 401).length, 2)
  t.strictSame(await statuses(gateway, [['alice', '192.0.2.1', password]]), [200])
})

t.test('Retry-After is honest: refused before, admitted after, however often it is tried meanwhile', async (t) => {
  const gateway = await startGateway(t, limit)
  const again = () => tryLogin(gateway, 'alice', '192.0.2.1')
  for (let i = 0; i < 3; i++) await again()
  gateway.clock.advance(20_500)
  t.equal((await again()).headers['retry-after'], '40')
  gateway.clock.advance(39_000)
  t.match(await again(), { statusCode: 429, headers: { 'retry-after': '1' } })
  gateway.clock.advance(1000)
  t.equal((await again()).statusCode, 401)
})

t.test('an attack from elsewhere does not lock the owner out of an address with a live session', async (t) => {
  const gateway = await startGateway(t, limit)
  const home = await tryLogin(gateway, 'alice', '2001:db8:1:1::5', password)
  t.equal(home.statusCode, 200)
  const attack = Array.from({ length: 20 }, (_, host): [string, string] => ['alice', `198.51.100.${host + 1}`])
  t.strictSame([...new Set((await statuses(gateway, attack)).slice(2))], [429])
  t.strictSame(await statuses(gateway, [['alice', '2001:db8:1:1::77', password]]), [200], 'the same /64')
  t.strictSame(await statuses(gateway, [['alice', '2001:db8:1:2::5', password]]), [429], 'a new address has to wait')
  t.strictSame(
    await statuses(
      gateway,
      Array.from({ length: 4 }, (): [string, string] => ['alice', '2001:db8:1:1::5']),
    ),
    [401, 429, 429, 429],
    'and the known address has a limit of its own',
  )
  await gateway.app.sessions.endAll('alice', 'revoked_by_user')
  gateway.clock.advance(61_000)
  await statuses(gateway, attack)
  t.strictSame(
    await statuses(gateway, [['alice', '2001:db8:1:1::5', password]]),
    [429],
    'without a live session it is unknown',
  )
})

t.test('forwarding fields of a peer that is no trusted proxy change nothing', async (t) => {
  const gateway = await startGateway(t, limit)
  const seen = []
  for (let i = 0; i < 5; i++) {
    const spoofed = {
      'x-forwarded-for': `203.0.113.${i}`,
      'x-real-ip': `203.0.113.${i}`,
      forwarded: `for=203.0.113.${i}`,
      'true-client-ip': `203.0.113.${i}`,
      'cf-connecting-ip': `203.0.113.${i}`,
    }
    seen.push((await tryLogin(gateway, `user${i}`, '192.0.2.1', 'wrong', spoofed)).statusCode)
  }
  t.strictSame(seen, [401, 401, 401, 429, 429])
})

t.test('behind a trusted proxy the address it names counts, and what stood left of it does not', async (t) => {
  const gateway = await startGateway(t, { config: { ...limit.config, trustedProxies: ['10.0.0.0/8'] } })
  const via = (forwardedFor: string, username: string) =>
    tryLogin(gateway, username, '10.0.0.1', 'wrong', { 'x-forwarded-for': forwardedFor })
  const seen = []
  for (let i = 0; i < 5; i++) seen.push((await via(`203.0.113.${i}, 192.0.2.1`, `user${i}`)).statusCode)
  t.strictSame(seen, [401, 401, 401, 429, 429])
  t.equal((await via('192.0.2.2', 'someone')).statusCode, 401)
  for (const odd of ['unknown', '', ',,,', `${'1'.repeat(3000)}`, '::1%eth0', '192.0.2.300', '"; drop']) {
    t.ok([401, 429].includes((await via(odd, 'someone')).statusCode), odd.slice(0, 20))
  }
})

t.test('the network of an address', (t) => {
  t.equal(networkOf('192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('2001:DB8::1'), networkOf('2001:db8:0:0:ffff:ffff:ffff:ffff'))
  t.not(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'))
  t.ok(networkOf('x'.repeat(10_000)).length <= 64)
  t.end()
})

// The same tag for the same text on every node, as the key in the store makes it; `startGateway` makes sids with that key.
function openNode(url: string, prefix: string): (clock: Clock) => Promise<Store> {
  const loadSubjectTag = async (keys: KeyStore) => {
    const key = await loadSubjectTagKey(keys, deriveSecrets([gatewaySecret]))
    return (text: string) => subjectTag(text, key)
  }
  return (clock) => openRedisStore({ url, prefix, clock: clock.now, loadSubjectTag, deadlineMs: 10_000 })
}

t.test('a login is four commands in three round trips: the user is looked up beside the first count', async (t) => {
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
    if (args.some((arg) => arg.startsWith(`${prefix}t{`))) return ['count']
    if (!args.some((arg) => arg.startsWith(prefix) && arg.endsWith(':alice'))) return []
    return [args[0]?.toLowerCase() === 'hgetall' ? 'find' : 'create']
  })
  t.strictSame(ofLogin.toSorted(), ['count', 'count', 'create', 'find'])
  t.ok(ofLogin.indexOf('find') < ofLogin.lastIndexOf('count'), 'nobody waited for the count before looking up')
})

t.test('two nodes on one Redis count together, and double together', async (t) => {
  const clock = new Clock()
  const openStore = openNode(await sharedRedis(t), newPrefix())
  const nodes = await Promise.all([1, 2].map(() => startGateway(t, { ...limit, clock, openStore })))
  const spread = async (times: number, from: string) => {
    const seen = []
    for (let i = 0; i < times; i++) {
      const node = nodes[i % 2]
      if (node) seen.push((await tryLogin(node, 'alice', `${from}${i}`)).statusCode)
    }
    return seen
  }
  t.strictSame(await spread(6, '192.0.2.'), [401, 401, 401, 429, 429, 429])
  for (const node of nodes) {
    t.match(await tryLogin(node, 'alice', '192.0.2.99', password), {
      statusCode: 429,
      headers: { 'retry-after': '60' },
    })
    t.equal((await tryLogin(node, 'root', '192.0.2.98', password)).statusCode, 200, 'another subject is not touched')
  }
  clock.advance(60_000)
  t.strictSame(await spread(4, '198.51.100.'), [401, 401, 401, 429], 'open again')
  for (const node of nodes) t.equal((await tryLogin(node, 'alice', '192.0.2.97')).headers['retry-after'], '120')
})

t.test('what cannot be counted is not admitted, even where everything else would answer: 503', async (t) => {
  const openStore = async (clock: Clock) => {
    const store = openEmbeddedStore({ file: ':memory:', clock: clock.now })
    store.tries.count = () => Promise.reject(new StoreUnavailable('Redis: no answer within 400 ms'))
    return store
  }
  const gateway = await startGateway(t, { ...limit, openStore })
  const answer = await tryLogin(gateway, 'alice', '192.0.2.1', password)
  t.equal(answer.statusCode, 503)
  t.ok(Number(answer.headers['retry-after']) > 0)
  t.equal(answer.headers['set-cookie'], undefined)
})

t.test('no name that was tried can be read in Redis, and every count goes by itself', async (t) => {
  const redis = await startRedis(t)
  const prefix = newPrefix()
  const gateway = await startGateway(t, { ...limit, openStore: openNode(redis.url, prefix) })
  await tryLogin(gateway, 'my password, typed into the wrong field', '192.0.2.77')
  const client = new Redis(redis.url)
  t.teardown(() => client.disconnect())
  const counts = (await client.keys('*')).filter((key) => key.startsWith(`${prefix}t{`))
  t.equal(counts.length, 2, 'one for the address, one for the subject')
  for (const key of counts) {
    t.match(key.slice(prefix.length), /^t\{[\w-]{8}\}$/)
    t.equal((await client.getBuffer(key))?.length, 11)
    const ttlMs = await client.pttl(key)
    t.ok(ttlMs > 60_000 && ttlMs <= 120_000, 'until all is forgiven')
  }
})
