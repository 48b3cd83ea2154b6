// The login limit as a client meets it. Time is held. How budgets fill, the contract of the stores says
// (test/plugins/session-store/contract/attempts.ts); what the rule comes to over days, the simulation (test/bench/regulation.test.ts).
import t from 'tap'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import { StoreUnavailable } from '../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../support/clock.ts'
import { eventually } from '../../../support/eventually.ts'
import { bearer, password, startGateway } from '../../../support/gateway.ts'
import { attemptLogin, deviceOf, from, limit, minute, statuses } from './scene.ts'

t.test('failures are limited per subject, whatever the address and the spelling', async (t) => {
  const gateway = await startGateway(t, limit)
  t.strictSame(
    await statuses(gateway, [
      ['alice', '192.0.2.1'],
      ['ALICE', '192.0.2.2'],
      ['ａlice', '192.0.2.3'],
      ['alice', '192.0.2.4'],
      ['alice', '192.0.2.5', password],
    ]),
    [401, 401, 401, 401, 429],
  )
  const response = await attemptLogin(gateway, 'Alice', '192.0.2.6', password)
  t.match(response.json(), { status: 429, code: 'too_many_requests' })
  t.equal(response.headers['retry-after'], '60')
  t.equal(response.headers['set-cookie'], undefined)
  t.match(gateway.events('login_limited')[0], { sub: 'alice', detail: 'limit per subject', granted: false })
  t.strictSame(await statuses(gateway, [['root', '192.0.2.5', password]]), [200], 'another subject is not touched')
})

t.test('right passwords do not count, and give no failure back', async (t) => {
  const gateway = await startGateway(t, limit)
  for (let i = 0; i < 30; i += 1) t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password)).statusCode, 200)
  t.strictSame(
    await statuses(gateway, [
      ['alice', '192.0.2.1'],
      ['alice', '192.0.2.1', password],
      ['alice', '192.0.2.1'],
      ['alice', '192.0.2.1', password],
    ]),
    [401, 200, 401, 429],
    'the two of this address are used up',
  )
  const spraying = Array.from({ length: 40 }, (_, i): [string, string, string?] =>
    i % 2 === 0 ? [`user${i}`, '192.0.2.7'] : ['root', '192.0.2.7', password],
  )
  const seen = await statuses(gateway, [...spraying, ['user', '192.0.2.7']])
  t.equal(seen.filter((status) => status === 401).length, 20)
  t.equal(seen.at(-1), 429, 'who has one good account has no more attempts of their address')
})

t.test('a subject that does not exist, or cannot, is limited just the same', async (t) => {
  const gateway = await startGateway(t, limit)
  for (const username of ['nobody', 'no body', 'root']) {
    const seen = []
    for (const [name, address] of from('198.51.100', 5, username)) seen.push(await attemptLogin(gateway, name, address))
    t.strictSame(
      seen.map(({ statusCode }) => statusCode),
      [401, 401, 401, 401, 429],
      username,
    )
    t.equal(seen.at(-1)?.headers['retry-after'], '60', username)
  }
})

t.test('one address has half of a subject’s attempts at once, and never all of what fills again', async (t) => {
  const gateway = await startGateway(t, limit)
  t.strictSame(
    await statuses(
      gateway,
      Array.from({ length: 3 }, (): [string, string] => ['alice', '192.0.2.66']),
    ),
    [401, 401, 429],
  )
  t.match(gateway.events('login_limited')[0], { detail: 'limit per pair' })
  t.strictSame(await statuses(gateway, [['alice', '192.0.2.1', password]]), [200])
  for (let i = 0; i < 60; i += 1) {
    gateway.clock.advance(minute)
    for (const host of [66, 67]) await attemptLogin(gateway, 'alice', `192.0.2.${host}`)
  }
  t.strictSame(
    await statuses(gateway, [['alice', '192.0.2.1', password]]),
    [200],
    'two addresses keep no account closed',
  )
})

t.test('one address gets a quarter of what fills again: one attempt in the time of four', async (t) => {
  const gateway = await startGateway(t, limit)
  const once = async () => (await attemptLogin(gateway, 'alice', '192.0.2.66')).statusCode
  t.strictSame([await once(), await once(), await once()], [401, 401, 429])
  for (let i = 0; i < 3; i += 1) {
    gateway.clock.advance(4 * minute - 1)
    t.equal(await once(), 429, 'a millisecond early')
    gateway.clock.advance(1)
    t.equal(await once(), 401)
  }
})

t.test('failures are limited per address, an IPv6 /64 being one, whatever the subject', async (t) => {
  const gateway = await startGateway(t, {
    config: { ...limit.config, addressLimit: { max: 3, windowMs: 3 * minute } },
  })
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

t.test('what is refused for its subject costs its address nothing', async (t) => {
  const gateway = await startGateway(t, limit)
  await statuses(gateway, from('198.51.100', 4))
  const refused = Array.from({ length: 60 }, (): [string, string] => ['alice', '192.0.2.1'])
  t.strictSame([...new Set(await statuses(gateway, refused))], [429])
  t.strictSame(await statuses(gateway, [['root', '192.0.2.1', password]]), [200])
})

t.test('Retry-After is honest: refused before, admitted after, however often it is tried meanwhile', async (t) => {
  const gateway = await startGateway(t, limit)
  for (const [name, address] of from('198.51.100', 4)) await attemptLogin(gateway, name, address)
  const again = (host: number) => attemptLogin(gateway, 'alice', `203.0.113.${host}`)
  gateway.clock.advance(20_500)
  t.equal((await again(1)).headers['retry-after'], '40')
  gateway.clock.advance(39_000)
  t.match(await again(2), { statusCode: 429, headers: { 'retry-after': '1' } })
  gateway.clock.advance(1000)
  t.equal((await again(3)).statusCode, 401)
})

t.test('of attempts at once, those that are right lock nobody out for longer than a second', async (t) => {
  const gateway = await startGateway(t, limit)
  const responses = await Promise.all(
    Array.from({ length: 20 }, () => attemptLogin(gateway, 'alice', '192.0.2.1', password)),
  )
  const refused = responses.filter(({ statusCode }) => statusCode === 429)
  t.ok(refused.length > 0)
  t.strictSame([...new Set(refused.map(({ headers }) => headers['retry-after']))], ['1'])
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password)).statusCode, 200)
})

t.test('what nobody looked at is no failure: a full hashing queue, a store that is away', async (t) => {
  const gateway = await startGateway(t, limit)
  gateway.app.credentials.check = () => Promise.reject(new StoreUnavailable('away'))
  for (let i = 0; i < 10; i += 1) t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1')).statusCode, 503)
  Reflect.deleteProperty(gateway.app.credentials, 'check')
  gateway.app.credentials.find = () => Promise.reject(new StoreUnavailable('away'))
  for (let i = 0; i < 10; i += 1) t.equal((await attemptLogin(gateway, 'root', '192.0.2.1')).statusCode, 503)
  Reflect.deleteProperty(gateway.app.credentials, 'find')
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password)).statusCode, 200)
  t.equal((await attemptLogin(gateway, 'root', '192.0.2.1', password)).statusCode, 200)
})

t.test('strangers do not lock an owner out of a device that is known, not even from its own address', async (t) => {
  const gateway = await startGateway(t, limit)
  const device = deviceOf(await attemptLogin(gateway, 'alice', '192.0.2.1', password))
  for (let i = 0; i < 5; i += 1) await statuses(gateway, [...from('198.51.100', 20), ...from('192.0.2', 20)])
  for (let i = 0; i < 50; i += 1) await attemptLogin(gateway, `user${i}`, '192.0.2.1')
  t.equal(
    (await attemptLogin(gateway, 'alice', '192.0.2.1', password)).statusCode,
    429,
    'without its cookie a stranger',
  )
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password, device)).statusCode, 200)
  t.equal((await attemptLogin(gateway, 'alice', '203.0.113.5', password, device)).statusCode, 200, 'wherever it is')
  t.equal((await attemptLogin(gateway, 'root', '192.0.2.1', password, device)).statusCode, 429, 'no other subject’s')
})

t.test('a known device has a budget of its own, which a sign-in does not fill', async (t) => {
  const gateway = await startGateway(t, limit)
  let device = deviceOf(await attemptLogin(gateway, 'alice', '192.0.2.1', password))
  await statuses(gateway, from('198.51.100', 20))
  const seen = []
  for (const given of ['a', 'b', 'c', password, 'd', 'e']) {
    const response = await attemptLogin(gateway, 'alice', '192.0.2.1', given, device)
    seen.push(response.statusCode)
    if (response.statusCode === 200) device = deviceOf(response)
  }
  t.strictSame(seen, [401, 401, 401, 200, 401, 429])
  t.match(gateway.events('login_limited').at(-1), { detail: /limit per (device|subject)/ })
})

t.test('a known device that has used its budget up still has what a stranger has', async (t) => {
  const gateway = await startGateway(t, limit)
  const device = deviceOf(await attemptLogin(gateway, 'alice', '192.0.2.1', password))
  const seen = []
  for (let i = 0; i < 7; i += 1) seen.push((await attemptLogin(gateway, 'alice', '192.0.2.1', 'x', device)).statusCode)
  t.strictSame(seen, [401, 401, 401, 401, 401, 401, 429], 'four of the device and two of the address')
})

t.test('who is signed in changes the password, whatever strangers try', async (t) => {
  const gateway = await startGateway(t, limit)
  const tokens = await gateway.signIn()
  await statuses(gateway, from('198.51.100', 20))
  const change = (current_password: string) =>
    gateway.post(
      '/auth/password',
      { current_password, new_password: 'another that is long' },
      { headers: bearer(tokens) },
    )
  for (let i = 0; i < 3; i += 1) t.equal((await change('guess')).statusCode, 401)
  t.ok([200, 204].includes((await change(password)).statusCode))
})

t.test('a hundred failures in a row are told, once, and slow the rest down', async (t) => {
  const gateway = await startGateway(t, {
    config: { loginLimit: { max: 10, windowMs: 10 * minute }, addressLimit: { max: 1000, windowMs: minute } },
  })
  let failures = 0
  for (let i = 0; failures < 100; i += 1) {
    const response = await attemptLogin(gateway, 'alice', `198.51.${Math.floor(i / 200)}.${i % 200}`)
    if (response.statusCode === 401) failures += 1
    else gateway.clock.advance(minute)
  }
  await eventually('the event', () => gateway.events('login_slowed').length > 0)
  t.match(gateway.events('login_slowed'), [{ sub: 'alice', detail: '100 failures in a row', level: 40 }])
  await eventually('the signal', () => JSON.stringify(gateway.log).includes('failures_in_a_row'))
  const slowed = await attemptLogin(gateway, 'alice', '203.0.113.1')
  t.equal(slowed.headers['retry-after'], '120', 'twice the pause')
  gateway.clock.advance(2 * minute)
  t.equal((await attemptLogin(gateway, 'alice', '203.0.113.1', password)).statusCode, 200)
  gateway.clock.advance(10 * minute)
  t.strictSame(
    await statuses(gateway, from('203.0.113', 11)),
    [...Array.from({ length: 10 }, () => 401), 429],
    'the owner’s sign-in ends the row',
  )
})

t.test('a clock set back by six hours makes nobody wait for longer than an attempt takes', async (t) => {
  const gateway = await startGateway(t, limit)
  await statuses(gateway, from('198.51.100', 5))
  gateway.clock.advance(-6 * 60 * minute)
  const response = await attemptLogin(gateway, 'alice', '203.0.113.1', password)
  t.match(response, { statusCode: 429, headers: { 'retry-after': '60' } })
  gateway.clock.advance(minute)
  t.equal((await attemptLogin(gateway, 'alice', '203.0.113.1', password)).statusCode, 200)
})

t.test('forwarding fields of a peer that is no trusted proxy change nothing, and are warned of once', async (t) => {
  const gateway = await startGateway(t, {
    config: { ...limit.config, addressLimit: { max: 3, windowMs: 3 * minute } },
  })
  const seen = []
  for (let i = 0; i < 5; i++) {
    const spoofed = {
      'x-forwarded-for': `203.0.113.${i}`,
      'x-real-ip': `203.0.113.${i}`,
      forwarded: `for=203.0.113.${i}`,
      'true-client-ip': `203.0.113.${i}`,
      'cf-connecting-ip': `203.0.113.${i}`,
    }
    seen.push((await attemptLogin(gateway, `user${i}`, '192.0.2.1', 'wrong', spoofed)).statusCode)
  }
  t.strictSame(seen, [401, 401, 401, 429, 429])
  const warned = gateway.log.filter(({ msg }) => /CARDEA_TRUSTED_PROXIES/.test(String(msg)))
  t.match(warned, [{ level: 40, peer: '192.0.2.0/24' }])
  t.equal(warned.length, 1)
})

t.test('behind a trusted proxy the address it names counts, and what stood left of it does not', async (t) => {
  const gateway = await startGateway(t, {
    config: { ...limit.config, addressLimit: { max: 3, windowMs: 3 * minute }, trustedProxies: ['10.0.0.0/8'] },
  })
  const via = (forwardedFor: string, username: string) =>
    attemptLogin(gateway, username, '10.0.0.1', 'wrong', { 'x-forwarded-for': forwardedFor })
  const seen = []
  for (let i = 0; i < 5; i++) seen.push((await via(`203.0.113.${i}, 192.0.2.1`, `user${i}`)).statusCode)
  t.strictSame(seen, [401, 401, 401, 429, 429])
  t.equal((await via('192.0.2.2', 'someone')).statusCode, 401)
  for (const odd of ['unknown', '', ',,,', `${'1'.repeat(3000)}`, '::1%eth0', '192.0.2.300', '"; drop']) {
    t.ok([401, 429].includes((await via(odd, 'someone')).statusCode), odd.slice(0, 20))
  }
  t.notOk(
    gateway.log.some(({ msg }) => /CARDEA_TRUSTED_PROXIES/.test(String(msg))),
    'nothing to warn of',
  )
})

t.test('a password typed into the user-name field reaches no log and no event', async (t) => {
  const gateway = await startGateway(t, limit)
  const typed = 'hunter2-is-a-name'
  for (const [, address] of from('198.51.100', 6)) await attemptLogin(gateway, typed, address)
  t.equal(gateway.events('login_failed').length, 4)
  t.equal(gateway.events('login_limited').length, 2)
  t.notOk(JSON.stringify(gateway.log).includes(typed))
  const { access_token } = await gateway.signIn('root')
  const stored = async () => {
    const headers = { authorization: `Bearer ${access_token}` }
    return (await gateway.app.inject({ url: '/admin/events?limit=100', headers })).body
  }
  await eventually('the events are stored', async () => /login_limited/.test(await stored()))
  t.notOk((await stored()).includes(typed))
  await attemptLogin(gateway, 'alice', '203.0.113.1')
  t.match(gateway.events('login_failed').at(-1), { sub: 'alice' }, 'one who exists is named')
})

t.test('what cannot be counted is not admitted, even where everything else would answer: 503', async (t) => {
  const openStore = async (clock: Clock) => {
    const store = openEmbeddedStore({ file: ':memory:', clock: clock.now })
    store.attempts.take = () => Promise.reject(new StoreUnavailable('Redis: no response within 400 ms'))
    return store
  }
  const gateway = await startGateway(t, { ...limit, openStore })
  const response = await attemptLogin(gateway, 'alice', '192.0.2.1', password)
  t.equal(response.statusCode, 503)
  t.ok(Number(response.headers['retry-after']) > 0)
  t.equal(response.headers['set-cookie'], undefined)
})

t.test('an attempt that cannot be given back harms no sign-in', async (t) => {
  const openStore = async (clock: Clock) => {
    const store = openEmbeddedStore({ file: ':memory:', clock: clock.now })
    store.attempts.giveBack = () => Promise.reject(new StoreUnavailable('away'))
    return store
  }
  const gateway = await startGateway(t, { ...limit, openStore })
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password)).statusCode, 200)
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password)).statusCode, 200)
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password)).statusCode, 429, 'it stays counted')
})
