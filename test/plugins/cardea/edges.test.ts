// The plugin `cardea` at its edges, in an app of somebody else's with nothing around it: clients that leave at every moment, and a
// Redis that is full, away or another one. What fails is 503 with Retry-After, never 500, and a lost response can be asked for again.
import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import cardea, { requires } from '../../../plugins/cardea/index.ts'
import { eventually } from '../../support/eventually.ts'
import { cheapCost, gatewaySecret, ownOrigin, password } from '../../support/gateway.ts'
import { hangUps, sendAndLeave } from '../../support/hanging-up.ts'
import { startRedis } from '../../support/redis/server.ts'
import { send } from '../../support/redis/topology.ts'
import { startProxy } from '../../support/tcp-proxy.ts'

const login = { username: 'alice', password, delivery: 'body' }

/** An app that says `done` where it asks who is calling, and counts what must not be. */
async function startApp(t: Test, store: string) {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: (line) => void lines.push(line) } } })
  t.teardown(() => app.close())
  const statuses: number[] = []
  app.addHook('onResponse', async (_request, reply) => void statuses.push(reply.statusCode))
  await app.register(cardea, {
    secret: gatewaySecret,
    issuer: ownOrigin,
    store,
    hashingCost: cheapCost,
    storeTimeoutMs: 2000,
  })
  await app.credentials.create({ username: 'alice', password, roles: [], scope: '' })
  app.get('/orders', { onRequest: requires('authenticated') }, () => 'done')
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    const text = await response.text()
    return { status: response.status, retryAfter: response.headers.get('retry-after'), ...(text && JSON.parse(text)) }
  }
  const ask = async (token: string) => {
    const response = await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } })
    return response.status
  }
  const refresh = (token: string) => post('/auth/token', { grant_type: 'refresh_token', refresh_token: token })
  return { port: Number(new URL(url).port), statuses, lines, post, ask, refresh }
}

async function startOnRedis(t: Test) {
  const redis = await startRedis(t)
  const wire = await startProxy(t, redis.port)
  return { redis, wire, app: await startApp(t, `redis://127.0.0.1:${wire.port}`) }
}

/** Sends a part of a request and leaves. */
async function sendAPartAndLeave(port: number, part: string, how: 'FIN' | 'RST'): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  await new Promise<void>((resolve) => socket.write(part, () => resolve()))
  if (how === 'FIN') socket.end()
  else socket.resetAndDestroy()
}

for (const kind of ['embedded', 'redis'] as const) {
  t.test(`clients that leave during sign-in and refresh take nothing with them (${kind})`, async (t) => {
    const app = kind === 'redis' ? (await startOnRedis(t)).app : await startApp(t, ':memory:')
    let { refresh_token } = await app.post('/auth/login', login)
    for (const leave of hangUps) {
      const trial = `${leave.how} ${leave.afterMs}`
      await sendAndLeave(app.port, { method: 'POST', url: '/auth/login', body: login }, trial, leave)
      const body = { grant_type: 'refresh_token', refresh_token }
      await sendAndLeave(app.port, { method: 'POST', url: '/auth/token', body }, trial, leave)
      const retried = await app.refresh(refresh_token)
      t.equal(retried.status, 200, `${trial}: the response that was lost can be asked for again`)
      refresh_token = retried.refresh_token
    }
    for (const how of ['FIN', 'RST'] as const) {
      await sendAPartAndLeave(app.port, 'POST /auth/token HTTP/1.1\r\nhost: gateway.test\r\n', how)
      const head = 'POST /auth/login HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\n'
      await sendAPartAndLeave(app.port, `${head}content-length: 90\r\n\r\n{"username":"al`, how)
    }
    t.equal((await app.refresh(refresh_token)).status, 200)
    t.strictSame(app.lines, [], 'nothing is said as an error')
    t.notOk(app.statuses.includes(500))
  })
}

t.test('a full Redis (noeviction): signing in is 503 with Retry-After; refresh, use and logout go on', async (t) => {
  const { app, redis } = await startOnRedis(t)
  const tokens = await app.post('/auth/login', login)
  await send(redis, ['CONFIG', 'SET', 'maxmemory-policy', 'noeviction'])
  await send(redis, ['CONFIG', 'SET', 'maxmemory', '1'])
  t.match(await app.post('/auth/login', login), { status: 503, code: 'store_unavailable', retryAfter: /^\d+$/ })
  const refreshed = await app.refresh(tokens.refresh_token)
  t.equal(refreshed.status, 200)
  t.equal(await app.ask(refreshed.access_token), 200)
  t.equal((await app.post('/auth/logout', { refresh_token: refreshed.refresh_token })).status, 204)
  t.equal(await app.ask(refreshed.access_token), 401)
  await send(redis, ['CONFIG', 'SET', 'maxmemory', '0'])
  t.equal((await app.post('/auth/login', login)).status, 200)
  t.notOk(app.statuses.includes(500))
})

for (const fault of ['refuse', 'silence'] as const) {
  t.test(`a Redis that is away (${fault}): 503 with Retry-After; tokens count; then all is as before`, async (t) => {
    const { app, wire } = await startOnRedis(t)
    const tokens = await app.post('/auth/login', login)
    await wire[fault]()
    const away = { status: 503, retryAfter: /^\d+$/ }
    t.match(await app.post('/auth/login', login), away)
    t.match(await app.refresh(tokens.refresh_token), away)
    t.match(await app.post('/auth/logout', { refresh_token: tokens.refresh_token }), away)
    t.equal(await app.ask(tokens.access_token), 200)
    await wire.open()
    await eventually(
      'the same token is refreshed',
      async () => (await app.refresh(tokens.refresh_token)).status === 200,
    )
    t.notOk(app.statuses.includes(500))
  })
}

t.test('another Redis under the same address: nobody is taken for signed in; 503 with Retry-After', async (t) => {
  const { app, wire } = await startOnRedis(t)
  const tokens = await app.post('/auth/login', login)
  wire.leadTo((await startRedis(t)).port)
  wire.reset()
  await eventually('the app refuses', async () => (await app.ask(tokens.access_token)) === 503)
  const replaced = { status: 503, code: 'store_unavailable', retryAfter: /^\d+$/ }
  t.match(await app.refresh(tokens.refresh_token), replaced)
  t.match(await app.post('/auth/login', login), replaced, 'until it is started again')
  t.notOk(app.statuses.includes(500))
})

t.test(
  'a Redis that is away at the start: the registration fails with a sentence, and the app can be closed',
  async (t) => {
    const app = Fastify()
    const away = await startProxy(t, 1)
    await away.refuse()
    const store = `redis://127.0.0.1:${away.port}`
    await t.rejects(async () => app.register(cardea, { secret: gatewaySecret, issuer: ownOrigin, store }), {
      name: 'StoreUnavailable',
    })
    await app.close()
  },
)
