// Limits on the use of a route: who counts as one caller, what a client is told, and how exact several nodes are together.
import t, { type Test } from 'tap'
import { RateLimit, type UseStore } from '../../../../plugins/forward/route/rate-limit.ts'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import { Clock } from '../../../support/clock.ts'
import { bearer, password, startGateway, type TestGateway } from '../../../support/gateway.ts'
import { startFakeUpstream } from '../../../support/upstream.ts'

const noon = Date.parse('2026-11-01T12:00:00Z')

/** Gateways on one store, each a node of its own. */
async function nodesOf(t: Test, count: number, max: number): Promise<TestGateway[]> {
  const service = await startFakeUpstream()
  t.teardown(() => service.close())
  const clock = new Clock(noon)
  const shared = openEmbeddedStore({ file: ':memory:', clock: clock.now })
  const close = shared.close.bind(shared)
  t.teardown(close)
  // Each node closes the store with itself; here it stays for the others.
  shared.close = async () => undefined
  const rateLimit = `${max}/1m`
  const routes = [
    { prefix: '/x', upstream: service.url, rateLimit },
    { prefix: '/open', upstream: service.url, policy: 'public', rateLimit },
  ] as const
  const nodes: TestGateway[] = []
  for (let i = 0; i < count; i += 1) {
    const config = { routes: [...routes], trustedProxies: ['127.0.0.1'] }
    nodes.push(await startGateway(t, { clock, openStore: async () => shared, config }))
  }
  return nodes
}

async function statusOf({ app }: TestGateway, url: string, headers: Record<string, string>): Promise<number> {
  return (await app.inject({ url, headers })).statusCode
}

const from = (address: string) => ({ 'x-forwarded-for': address })

t.test('a caller is told what is left, refused beyond it, and let in again in the next window', async (t) => {
  const [node] = await nodesOf(t, 1, 2)
  if (node === undefined) return
  const alice = bearer(await node.signIn())
  const ask = () => node.app.inject({ url: '/x', headers: alice })
  const policy = '"route";q=2;w=60'
  t.match(await ask(), { statusCode: 200, headers: { 'ratelimit-policy': policy, ratelimit: '"route";r=1;t=60' } })
  node.clock.advance(20_500)
  t.match(await ask(), { statusCode: 200, headers: { ratelimit: '"route";r=0;t=40' } })
  const refused = await ask()
  t.match(refused, { statusCode: 429, headers: { 'retry-after': '40', ratelimit: '"route";r=0;t=40' } })
  t.equal(refused.headers['ratelimit-policy'], policy)
  t.match(refused.json(), { code: 'too_many_requests' })
  t.match(node.events('route_limited'), [{ sub: 'alice', granted: false }])
  node.clock.advance(39_500)
  t.match(await ask(), { statusCode: 200, headers: { ratelimit: '"route";r=1;t=60' } })
})

t.test('a caller is a subject, whatever the session and the address; without one an address or a /64', async (t) => {
  const [node] = await nodesOf(t, 1, 1)
  if (node === undefined) return
  const alice = bearer(await node.signIn())
  t.equal(await statusOf(node, '/x', alice), 200)
  t.equal(await statusOf(node, '/x', { ...bearer(await node.signIn()), ...from('192.0.2.1') }), 429)
  const asked = { username: 'root', password, delivery: 'body' }
  const root = await node.app.inject({ method: 'POST', url: '/auth/login', payload: asked })
  t.equal(await statusOf(node, '/x', bearer(root.json())), 200)
  const addresses = [
    '192.0.2.1',
    '192.0.2.2',
    '2001:db8:0:1::1',
    '2001:db8:0:1:ffff::2',
    '2001:db8:0:2::1',
    '192.0.2.1',
  ]
  const statuses: number[] = []
  for (const address of addresses) statuses.push(await statusOf(node, '/open', from(address)))
  t.strictSame(statuses, [200, 200, 200, 429, 200, 429])
  t.equal(await statusOf(node, '/open', { ...alice, ...from('192.0.2.3') }), 200, 'each route by itself')
})

t.test('what the policy refuses uses nothing up', async (t) => {
  const [node] = await nodesOf(t, 1, 1)
  if (node === undefined) return
  for (let i = 0; i < 5; i += 1) t.equal(await statusOf(node, '/x', {}), 401)
  t.equal(await statusOf(node, '/x', bearer(await node.signIn())), 200)
})

t.test('two nodes together admit the limit and at most a twentieth more', async (t) => {
  const max = 200
  const nodes = await nodesOf(t, 2, max)
  const [first] = nodes
  if (first === undefined) return
  const alice = bearer(await first.signIn())
  let granted = 0
  for (let i = 0; i < max; i += 1) {
    for (const node of nodes) if ((await statusOf(node, '/x', alice)) === 200) granted += 1
  }
  t.ok(granted >= max, `${granted} were let in`)
  t.ok(granted <= max * 1.05, `${granted} were let in`)
})

/** A store that answers when the test says so. */
function heldStore() {
  const calls: { key: string; hits: number; response: (hits: number) => void; fail: () => void }[] = []
  const store: UseStore = {
    addHits: (key, hits, windowMs) =>
      new Promise((resolve, reject) => {
        const response = (sum: number) => resolve({ hits: sum, opensInMs: windowMs / 2 })
        calls.push({ key, hits, response, fail: () => reject(new Error('away')) })
      }),
  }
  return { calls, store }
}

function limitOn(store: UseStore, max = 100) {
  const clock = new Clock(noon)
  const away: boolean[] = []
  const onStore = (isAway: boolean) => void away.push(isAway)
  const limit = new RateLimit({ max, windowSeconds: 60, name: '/x', store, clock: clock.now, onStore })
  const take = (times: number) => Array.from({ length: times }, () => limit.take('a').granted).filter(Boolean).length
  return { clock, away, limit, take }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

t.test('the store is told in shares, one at a time, and nobody waits for it', async (t) => {
  const { calls, store } = heldStore()
  const { take, limit } = limitOn(store)
  take(4)
  t.strictSame(calls, [], 'a share is not complete')
  take(1)
  t.match(calls, [{ key: 'use /x a', hits: 5 }])
  take(30)
  t.equal(calls.length, 1, 'one settlement is under way')
  calls[0]?.response(65)
  await settled()
  t.match(limit.take('a'), { granted: true, remaining: 100 - 65 - 30 - 1, resetSeconds: 30 }, 'others have used 60')
  t.match(calls[1], { hits: 31 })
  t.equal(take(100), 4)
  t.equal(calls.length, 2, 'a refused use costs the store nothing')
})

t.test('while the store is away a node counts alone, and leaves it alone', async (t) => {
  const { calls, store } = heldStore()
  const { take, clock, away } = limitOn(store)
  take(5)
  calls[0]?.fail()
  await settled()
  t.equal(take(200), 95)
  t.equal(calls.length, 1)
  t.strictSame(away, [true])
  clock.advance(60_000)
  take(5)
  t.equal(calls.length, 2)
  calls[1]?.response(5)
  await settled()
  t.strictSame(away, [true, false])
})

t.test('a clock that is set back keeps nobody out for longer than a window', async (t) => {
  const { store } = heldStore()
  const { take, clock } = limitOn(store)
  t.equal(take(101), 100)
  clock.advance(-3_600_000)
  t.equal(take(1), 1)
})

t.test('what is remembered of callers is bounded', async (t) => {
  const { limit } = limitOn({ addHits: async () => ({ hits: 1, opensInMs: 60_000 }) }, 1)
  t.equal(limit.take('first').granted, true)
  for (let i = 0; i < 50_000; i += 1) limit.take(`other ${i}`)
  t.equal(limit.take('first').granted, true, 'the oldest is forgotten')
  t.equal(limit.take('other 49999').granted, false)
})
