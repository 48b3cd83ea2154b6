// Several instances of a service: who is next, who is left alone and for how long, and what a client sees of all that.
import t from 'tap'
import { compileRoutes, type RouteConfig } from '../../../../plugins/forward/index.ts'
import { findInstance, noteFailure, noteSuccess, pickInstance } from '../../../../plugins/forward/upstream/balancing.ts'
import { HealthChecks } from '../../../../plugins/forward/upstream/health-check.ts'
import { Upstreams } from '../../../../plugins/forward/upstream/upstreams.ts'
import { eventually } from '../../../support/eventually.ts'
import { freePort } from '../../../support/processes/free-port.ts'
import { sendRaw } from '../../../support/raw-client.ts'
import { startProxy } from '../../../support/tcp-proxy.ts'
import { startRawUpstream } from '../../../support/upstream.ts'
import { asAlice, gatewayFor, upstreamFor } from '../gateway.ts'

const hosts = ['a', 'b', 'c']

/** A route with instances a, b and c, one failure of which takes one out for 1 s, then 2 s, then 3 s at most. */
function routeOf(changes: Partial<RouteConfig> = {}) {
  const upstream = hosts.map((host) => `http://${host}`)
  const ejection = { failures: 1, first: '1s', max: '3s' }
  const [route] = compileRoutes([{ prefix: '/x', upstream, ejection, timeouts: { connect: '500ms' }, ...changes }])
  if (route === undefined) throw new Error('no route')
  const [a, b = a, c = b] = route.instances
  if (a === undefined || b === undefined || c === undefined) throw new Error('no instances')
  return { route, a, b, c, pick: (nowMs: number) => pickInstance(route, 'requests', nowMs).host }
}

t.test('round robin takes each in turn, and passes over those without room', async (t) => {
  const { pick, b } = routeOf({ maxConcurrent: 1 })
  t.strictSame([pick(0), pick(0), pick(0), pick(0)], ['a', 'b', 'c', 'a'])
  b.requests = 1
  t.strictSame([pick(0), pick(0), pick(0)], ['c', 'a', 'c'])
})

t.test('least pending takes the one with the fewest requests, and equals in turn', async (t) => {
  const { pick, a, b, c } = routeOf({ balance: 'least-pending' })
  t.strictSame([pick(0), pick(0), pick(0), pick(0)], ['a', 'b', 'c', 'a'])
  a.requests = 2
  b.requests = 1
  c.requests = 3
  t.strictSame([pick(0), pick(0)], ['b', 'b'])
})

t.test(
  'one that fails is left alone for longer each time, tried by one request, and forgiven after a success',
  async (t) => {
    const { route, a, pick } = routeOf()
    t.equal(noteFailure(route, a, 'unsent', 0), 1000)
    t.strictSame([pick(0), pick(0), pick(999), pick(999)], ['b', 'c', 'b', 'c'])
    t.equal(noteFailure(route, a, 'unsent', 500), 0, 'what was under way says nothing new')
    t.strictSame([pick(1000), pick(1000), pick(1000), pick(1000)], ['a', 'b', 'c', 'b'])
    t.equal(noteFailure(route, a, 'unsent', 1100), 2000)
    pick(3100)
    t.equal(noteFailure(route, a, 'unsent', 3100), 3000)
    t.strictSame([pick(6100), pick(6100), pick(6100), pick(6100)].filter((host) => host === 'a').length, 1)
    noteSuccess(a)
    t.strictSame([pick(6100), pick(6100), pick(6100)].sort(), hosts)
    t.equal(noteFailure(route, a, 'unsent', 7000), 1000)
  },
)

t.test('a trial of which nothing comes is followed by another', async (t) => {
  const { route, a, pick } = routeOf({ upstream: 'http://a' })
  noteFailure(route, a, 'unsent', 0)
  t.equal(pick(1000), 'a')
  t.throws(() => pick(1000), { code: 'upstream_unavailable' })
  t.equal(pick(2500), 'a')
})

t.test('too few failures in a row change nothing', async (t) => {
  const { route, a } = routeOf({ ejection: { failures: 3 } })
  t.strictSame([noteFailure(route, a, 'unsent', 0), noteFailure(route, a, 'unsent', 0)], [0, 0])
  noteSuccess(a)
  t.strictSame([noteFailure(route, a, 'unsent', 0), noteFailure(route, a, 'unsent', 0)], [0, 0])
  t.equal(noteFailure(route, a, 'unsent', 0), 1000)
})

t.test(
  'bad answers never take the last one out; being unreachable does, and then the refusal says when to come back',
  async (t) => {
    const { route, a, b, c, pick } = routeOf()
    t.equal(noteFailure(route, a, 'unavailable', 0), 1000)
    t.equal(noteFailure(route, b, 'unavailable', 0), 1000)
    t.equal(noteFailure(route, c, 'unavailable', 0), 0)
    t.strictSame([pick(0), pick(0)], ['c', 'c'])
    t.equal(noteFailure(route, c, 'unsent', 500), 1000)
    t.throws(() => pick(600), { code: 'upstream_unavailable', headers: { 'retry-after': '1' } })
    // On trial, and the only one that can be reached: it stays.
    t.equal(pick(1000), 'a')
    t.equal(noteFailure(route, a, 'unavailable', 1000), 0)
    t.strictSame([pick(1000), pick(1000)], ['b', 'a'])
  },
)

t.test('no room is told apart from nobody there', async (t) => {
  const { route, a, b, c, pick } = routeOf({ maxConcurrent: 1 })
  for (const one of [a, b, c]) one.requests = 1
  t.throws(() => pick(0), { code: 'overloaded' })
  for (const one of [a, b, c]) one.isSick = true
  t.throws(() => pick(0), { code: 'upstream_unavailable' })
  t.equal(findInstance(route, 'requests', 0, a), undefined)
})

t.test('an instance that cannot be reached costs an idempotent request nothing, and is soon left alone', async (t) => {
  const good = await upstreamFor(t)
  const dead = `http://127.0.0.1:${await freePort()}`
  const { url } = await gatewayFor(t, [
    { prefix: '/x', upstream: [dead, good.url], policy: 'public', ejection: { failures: 3, first: '60s' } },
  ])
  const statuses: number[] = []
  for (const method of ['GET', 'PUT', 'DELETE', 'GET', 'GET', 'POST', 'POST', 'POST']) {
    const body = method === 'PUT' || method === 'POST' ? { body: 'text' } : {}
    statuses.push((await fetch(`${url}/x`, { method, ...body })).status)
  }
  t.strictSame(statuses, [200, 200, 200, 200, 200, 200, 200, 200])
  t.match(good.received[1], { method: 'PUT', body: 'text', headers: { host: new URL(good.url).host } })
  t.equal(good.received.length, 8)
})

t.test('what is not idempotent is not tried elsewhere (RFC 9110 section 9.2.2)', async (t) => {
  const good = await upstreamFor(t)
  const dead = `http://127.0.0.1:${await freePort()}`
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: [dead, good.url], policy: 'public' }])
  t.equal((await fetch(`${url}/x`, { method: 'POST', body: 'text' })).status, 502)
  t.equal((await fetch(`${url}/x`, { method: 'POST', body: 'text' })).status, 200)
  t.equal((await fetch(`${url}/x`, { method: 'PATCH' })).status, 502)
  t.equal(good.received.length, 1)
})

t.test('retries end: no more instances are tried than the route says', async (t) => {
  const good = await upstreamFor(t)
  const dead = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`]
  const upstream = [...dead, good.url]
  const routes: RouteConfig[] = [
    { prefix: '/none', upstream, policy: 'public', retries: 0 },
    { prefix: '/one', upstream, policy: 'public' },
    { prefix: '/two', upstream, policy: 'public', retries: 2 },
  ]
  const { url } = await gatewayFor(t, routes)
  const statuses: number[] = []
  for (const { prefix } of routes) statuses.push((await fetch(url + prefix)).status)
  t.strictSame(statuses, [502, 502, 200])
})

t.test('when nobody is there, requests are refused at once until one is', async (t) => {
  const port = await freePort()
  const { url } = await gatewayFor(t, [
    {
      prefix: '/x',
      upstream: `http://127.0.0.1:${port}`,
      policy: 'public',
      ejection: { failures: 2, first: '50ms', max: '50ms' },
    },
  ])
  t.strictSame([(await fetch(`${url}/x`)).status, (await fetch(`${url}/x`)).status], [502, 502])
  const refused = await fetch(`${url}/x`)
  t.equal(refused.status, 503)
  t.match(Number(refused.headers.get('retry-after')), 1)
  t.match(await refused.json(), { code: 'upstream_unavailable' })
  const service = await upstreamFor(t, undefined, port)
  await eventually('it is tried again', async () => (await fetch(`${url}/x`)).status === 200)
  t.ok(service.received.length > 0)
})

t.test('a client cannot take an instance out', async (t) => {
  const service = await upstreamFor(t, ({ url }, response) => {
    response.statusCode = url.endsWith('bad') ? 500 : 200
    response.end()
  })
  const { port, url } = await gatewayFor(t, [
    { prefix: '/x', upstream: service.url, policy: 'public', ejection: { failures: 1, first: '60s' } },
  ])
  t.equal((await fetch(`${url}/x/bad`)).status, 500)
  // Odd bytes, a client that leaves before its response, and one whose body never comes.
  await sendRaw(port, `GET /x HTTP/1.1\r\nHost: a\r\n${asAlice}\r\nX-Odd: \x80\xff\r\nConnection: close\r\n\r\n`)
  await sendRaw(port, 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc', {
    until: () => true,
    deadlineMs: 50,
  })
  await sendRaw(port, 'GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nUpgrade: h2c\r\n\r\n', { deadlineMs: 50 })
  t.equal((await fetch(`${url}/x`)).status, 200)
})

t.test('answers that say an instance is not there send requests to the others', async (t) => {
  const bad = await upstreamFor(t, (_request, response) => {
    response.statusCode = 503
    response.end()
  })
  const good = await upstreamFor(t)
  const { url } = await gatewayFor(t, [
    { prefix: '/x', upstream: [bad.url, good.url], policy: 'public', ejection: { failures: 2, first: '60s' } },
  ])
  for (let i = 0; i < 10; i += 1) await (await fetch(`${url}/x`)).text()
  t.equal(bad.received.length, 2)
  t.equal(good.received.length, 8)
})

t.test('an instance that is not well by its health check gets nothing until it is', async (t) => {
  let isWell = true
  const one = await upstreamFor(t, ({ url }, response) => {
    response.statusCode = url === '/health?deep=1' && !isWell ? 500 : 200
    response.end()
  })
  const other = await upstreamFor(t)
  const forwarded = ({ received }: typeof one) => received.filter(({ url }) => url === '/x').length
  const { url } = await gatewayFor(t, [
    {
      prefix: '/x',
      upstream: [one.url, other.url],
      policy: 'public',
      health: { path: '/health?deep=1', interval: '10ms', timeout: '1s', failures: 2 },
    },
  ])
  isWell = false
  const respondedBy = async () => {
    const before = forwarded(one)
    for (let i = 0; i < 4; i += 1) t.equal((await fetch(`${url}/x`)).status, 200)
    return forwarded(one) - before
  }
  await eventually('only the other one answers', async () => (await respondedBy()) === 0)
  isWell = true
  await eventually('both answer again', async () => (await respondedBy()) === 2)
})

t.test(
  'a kept connection that the service has closed makes no instance sick; a new one that it closes does',
  async (t) => {
    let isGone = false
    const service = await startRawUpstream((socket, _head, number) => {
      // Each connection answers once, says nothing of its end, and is closed at the next question.
      if (isGone || number > 1) socket.destroy()
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    })
    t.teardown(() => service.close())
    const changes: boolean[] = []
    const upstreams = new Upstreams(
      () => {},
      () => {},
    )
    const checks = new HealthChecks(upstreams, (_route, { isSick }) => changes.push(isSick))
    t.teardown(() => {
      checks.close()
      upstreams.close()
    })
    const health = { path: '/', interval: '10ms', timeout: '1s', failures: 1 }
    const [route] = compileRoutes([{ prefix: '/x', upstream: service.url, health }])
    if (route === undefined) throw new Error('no route')
    upstreams.open(route)
    checks.open(route)
    await eventually('it was asked often', () => service.heads.length > 20)
    t.strictSame(changes, [])
    isGone = true
    await eventually('it is sick', () => changes.length > 0)
    t.strictSame(changes, [true])
  },
)

t.test('a service that swallows everything hurts no other, and not its own other instance for long', async (t) => {
  const good = await upstreamFor(t)
  const proxy = await startProxy(t, good.port)
  const hole = `http://127.0.0.1:${proxy.port}`
  const timeouts = { connect: '100ms', headers: '100ms' }
  const { url } = await gatewayFor(t, [
    {
      prefix: '/hole',
      upstream: hole,
      policy: 'public',
      timeouts: { headers: '1s' },
      maxConcurrent: 8,
      callerShare: 1,
    },
    { prefix: '/mixed', upstream: [hole, good.url], policy: 'public', timeouts, ejection: { first: '60s' } },
    { prefix: '/good', upstream: good.url, policy: 'public' },
  ])
  proxy.silence()
  const swallowed = Array.from({ length: 20 }, () => fetch(`${url}/hole`).then(({ status }) => status))
  const startedAt = performance.now()
  for (let i = 0; i < 20; i += 1) t.equal((await fetch(`${url}/good`)).status, 200)
  t.ok(performance.now() - startedAt < 3000)
  const statuses = await Promise.all(swallowed)
  t.strictSame([...new Set(statuses)].sort(), [503, 504])
  t.equal(statuses.filter((status) => status === 504).length, 8)
  const mixed: number[] = []
  for (let i = 0; i < 20; i += 1) mixed.push((await fetch(`${url}/mixed`)).status)
  t.equal(mixed.filter((status) => status === 504).length, 5)
  t.strictSame([...new Set(mixed.slice(10))], [200])
})

t.test('what a service may have carried out is sent again only if it asks for no change', async (t) => {
  const closing = await startRawUpstream((socket) => socket.destroy())
  t.teardown(() => closing.close())
  const good = await upstreamFor(t)
  const ejection = { failures: 1000 }
  const { url } = await gatewayFor(t, [
    { prefix: '/x', upstream: [closing.url, good.url], policy: 'public', retries: 5, ejection },
  ])
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    for (const body of [null, 'text', 'x'.repeat(1_000_000)]) {
      const before = [closing.heads.length, good.received.length]
      const statuses: number[] = []
      for (let i = 0; i < 4; i += 1) statuses.push((await fetch(`${url}/x`, { method, body })).status)
      t.strictSame(statuses.sort(), [200, 200, 502, 502], `${method} ${body?.length}`)
      t.equal(closing.heads.length - (before[0] ?? 0), 2)
      t.equal(good.received.length - (before[1] ?? 0), 2)
    }
  }
  for (let i = 0; i < 4; i += 1) t.equal((await fetch(`${url}/x`)).status, 200)
})
