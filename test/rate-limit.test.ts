// The limit on login tries, as a client meets it, and its counter by itself. Time is held.
import t from 'tap'
import { networkOf, TryCounter } from '../plugins/rate-limit.ts'
import { type Gateway, type GatewayOverrides, password, startGateway } from './gateway.ts'

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

t.test(
  'windows double while they are exhausted again and again, up to sixteen times, and are forgiven after quiet',
  (t) => {
    let nowMs = 0
    const counter = new TryCounter(() => nowMs)
    const exhaust = () => {
      for (let i = 0; i < 3; i++) counter.count('k', 1000, 3)
      return counter.count('k', 1000, 3)
    }
    const lengths = Array.from({ length: 7 }, () => {
      const { current, ttl } = exhaust()
      t.equal(current, 4)
      nowMs += ttl
      return ttl
    })
    t.strictSame(lengths, [1000, 2000, 4000, 8000, 16_000, 16_000, 16_000])
    nowMs += 1000
    t.match(counter.count('k', 1000, 3), { current: 1, ttl: 1000 }, 'one quiet window')
    nowMs += 1000
    t.match(counter.count('k', 1000, 3), { current: 1, ttl: 1000 }, 'a window that was not exhausted doubles nothing')
    t.end()
  },
)

t.test('the keys remembered are bounded', (t) => {
  const counter = new TryCounter(() => 0)
  counter.count('first', 1000, 3)
  counter.count('kept', 1000, 3)
  for (let i = 0; i < 99_999; i++) {
    counter.count(`k${i}`, 1000, 3)
    if (i % 1000 === 0) counter.count('kept', 1000, 3)
  }
  t.equal(counter.count('first', 1000, 3).current, 1, 'forgotten')
  t.ok(counter.count('kept', 1000, 3).current > 3, 'what is tried again and again stays')
  t.end()
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
