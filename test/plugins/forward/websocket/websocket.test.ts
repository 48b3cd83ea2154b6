// WebSockets through the gateway: let in by the policies of requests, tunnelled both ways, and ended with the session.
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import type { RouteConfig } from '../../../../plugins/forward/index.ts'
import { eventually } from '../../../support/eventually.ts'
import { bearer, cookiesSetBy, password, startGateway, type TestGateway } from '../../../support/gateway.ts'

interface Scene {
  gateway: TestGateway
  port: number
  service: WebSocketServer
  /** Handshakes as the service received them. */
  received: NodeJS.Dict<string | string[]>[]
  url(path: string): string
  connect(path: string, headers?: Record<string, string>, protocols?: string[]): WebSocket
}

async function sceneOf(t: Test, changes: Partial<RouteConfig> = {}): Promise<Scene> {
  const received: Scene['received'] = []
  const handleProtocols = (offered: Set<string>) => (offered.has('chat') ? 'chat' : false)
  const service = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols })
  await once(service, 'listening')
  service.on('connection', (socket, request) => {
    received.push(request.headers)
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  t.teardown(() => {
    for (const socket of service.clients) socket.terminate()
    service.close()
  })
  const address = service.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  const upstream = `http://127.0.0.1:${address.port}`
  const routes: RouteConfig[] = [
    { prefix: '/ws', upstream, websocket: true, ...changes },
    { prefix: '/admin-ws', upstream, websocket: true, policy: { roles: ['admin'] } },
    { prefix: '/open', upstream, websocket: true, policy: 'public' },
    { prefix: '/plain', upstream },
  ]
  const gateway = await startGateway(t, { config: { routes, allowedOrigins: ['https://app.test'] } })
  const { port } = new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 }))
  const url = (path: string) => `ws://127.0.0.1:${port}${path}`
  const connect: Scene['connect'] = (path, headers = {}, protocols = []) => {
    const options: ClientOptions = { headers }
    const socket = new WebSocket(url(path), protocols, options)
    socket.on('error', () => {})
    t.teardown(() => socket.terminate())
    return socket
  }
  return { gateway, port: Number(port), service, received, url, connect }
}

/** The status with which a handshake was refused, or 101. */
function statusOf(socket: WebSocket): Promise<number | undefined> {
  return new Promise((resolve) => {
    socket.once('open', () => resolve(101))
    socket.once('unexpected-response', (_request, response) => {
      response.resume()
      resolve(response.statusCode)
    })
    socket.once('close', () => resolve(undefined))
  })
}

async function echoOf(socket: WebSocket, message: string | Buffer): Promise<string> {
  const responded = once(socket, 'message')
  socket.send(message)
  const [data] = await responded
  return String(data)
}

t.test('a WebSocket is tunnelled for a caller with a token, who is named to the service', async (t) => {
  const { gateway, received, connect } = await sceneOf(t)
  const alice = bearer(await gateway.signIn())
  const socket = connect('/ws/room?x=1', { ...alice, 'x-auth-subject': 'root', cookie: '__Host-cardea_refresh=secret' })
  t.equal(await statusOf(socket), 101)
  t.equal(await echoOf(socket, 'hello'), 'hello')
  t.match(received[0], { 'x-auth-subject': 'alice', upgrade: 'websocket', via: '1.1 cardea' })
  t.notMatch(JSON.stringify(received[0]), /secret|Bearer/)
  const closed = once(socket, 'close')
  socket.close(4000, 'bye')
  t.equal((await closed)[0], 4000)
})

t.test('policies, audiences and routes without WebSockets refuse the handshake', async (t) => {
  const { gateway, received, connect } = await sceneOf(t)
  const alice = bearer(await gateway.signIn())
  t.equal(await statusOf(connect('/ws')), 401)
  t.equal(await statusOf(connect('/ws', { authorization: 'Bearer x' })), 401)
  t.equal(await statusOf(connect('/admin-ws', alice)), 403)
  t.equal(await statusOf(connect('/plain', alice)), 501)
  t.equal(await statusOf(connect('/livez', alice)), 501)
  t.equal(await statusOf(connect('/nowhere', alice)), 501)
  t.equal(await statusOf(connect('/ws/a//b', alice)), 400)
  t.equal(await statusOf(connect('/open')), 101)
  t.equal(received.length, 1)
})

t.test('a browser’s token comes among the subprotocols, and the service never sees it', async (t) => {
  const { gateway, received, connect } = await sceneOf(t)
  const { access_token } = await gateway.signIn()
  const chosen = connect('/ws', {}, ['chat', 'bearer', access_token, 'other'])
  t.equal(await statusOf(chosen), 101)
  t.equal(chosen.protocol, 'chat')
  t.equal(received[0]?.['sec-websocket-protocol'], 'chat, other')
  const alone = connect('/ws', {}, ['bearer', access_token])
  t.equal(await statusOf(alone), 101)
  t.equal(alone.protocol, 'bearer', 'a browser wants one of those it offered')
  t.notOk(received[1]?.['sec-websocket-protocol'])
  t.notMatch(JSON.stringify(received), access_token)
  t.equal(await statusOf(connect('/ws', {}, ['bearer', 'a.b.c'])), 401)
  t.equal(await statusOf(connect('/ws', {}, ['chat', 'bearer'])), 401)
  t.equal(await statusOf(connect('/ws', bearer({ access_token }), ['bearer', access_token])), 400)
  t.notMatch(JSON.stringify(gateway.log), access_token)
})

t.test('a browser’s cookie opens one where the route takes it, from our own page or an allowed one', async (t) => {
  const { gateway, port, received, connect } = await sceneOf(t, { accessCookie: true })
  const login = await gateway.post('/auth/login', { username: 'alice', password })
  const cookie = Object.entries(cookiesSetBy(login)).map(([name, { value }]) => `${name}=${value}`)
  const pages = ['https://app.test', 'https://gateway.test', `http://127.0.0.1:${port}`]
  for (const origin of pages) {
    const socket = connect('/ws', { origin, cookie: ['a=1', ...cookie].join('; ') }, ['chat'])
    t.equal(await statusOf(socket), 101, origin)
    t.equal(await echoOf(socket, 'hello'), 'hello')
  }
  t.match(received[0], { 'x-auth-subject': 'alice', cookie: 'a=1' })
  const closed = once(connect('/ws', { 'sec-fetch-site': 'same-origin', cookie: cookie.join('; ') }), 'close')
  await eventually('all are open', () => received.length === pages.length + 1)
  await gateway.app.sessions.end(login.json().session_id, 'revoked_by_admin')
  await closed
})

t.test('pages of other origins open none, not even where everybody may', async (t) => {
  const { gateway, port, received, connect } = await sceneOf(t)
  const alice = bearer(await gateway.signIn())
  for (const origin of ['https://evil.test', 'null', 'https://app.test.evil.test', 'https://gateway.test:444']) {
    t.equal(await statusOf(connect('/ws', { ...alice, origin })), 403, origin)
    t.equal(await statusOf(connect('/open', { origin })), 403, origin)
  }
  t.equal(received.length, 0)
  t.equal(gateway.events('origin_refused').length, 8)
  for (const origin of ['https://app.test', 'https://gateway.test', `http://127.0.0.1:${port}`]) {
    t.equal(await statusOf(connect('/ws', { ...alice, origin })), 101, origin)
  }
})

t.test('it ends when its session does, and no other with it', async (t) => {
  const { gateway, connect } = await sceneOf(t)
  const mine = await gateway.signIn()
  const other = connect('/ws', bearer(await gateway.signIn()))
  const socket = connect('/ws', bearer(mine))
  t.strictSame(await Promise.all([statusOf(socket), statusOf(other)]), [101, 101])
  const closed = once(socket, 'close')
  await gateway.app.sessions.end(mine.session_id, 'revoked_by_admin')
  t.equal((await closed)[0], 1006)
  t.equal(await echoOf(other, 'still here'), 'still here')
  t.match(gateway.events('stream_cut'), [{ sid: mine.session_id }])
})

t.test('a side that is slow holds the other one back, and everything arrives', async (t) => {
  const { gateway, service, connect } = await sceneOf(t)
  const socket = connect('/ws', bearer(await gateway.signIn()))
  t.equal(await statusOf(socket), 101)
  const part = Buffer.alloc(1_048_576, 'x')
  const parts = 64
  socket.pause()
  const [atService] = service.clients
  for (let i = 0; i < parts; i += 1) atService?.send(part)
  await eventually('what the service sent has stopped moving', async () => {
    const before = atService?.bufferedAmount ?? 0
    await new Promise((resolve) => setImmediate(resolve))
    return before > 0 && before === atService?.bufferedAmount
  })
  t.ok((atService?.bufferedAmount ?? 0) > 32 * part.length, 'most of it waits where it came from')
  let bytes = 0
  socket.on('message', (data: Buffer) => {
    bytes += data.length
  })
  socket.resume()
  await eventually('everything arrived', () => bytes === parts * part.length)
})

t.test('one that stands still is cut, one that moves is not', async (t) => {
  const { gateway, connect } = await sceneOf(t, { timeouts: { websocketIdle: '300ms' } })
  const alice = bearer(await gateway.signIn())
  const still = connect('/ws', alice)
  const moving = connect('/ws', alice)
  t.strictSame(await Promise.all([statusOf(still), statusOf(moving)]), [101, 101])
  let isCut = false
  still.once('close', () => {
    isCut = true
  })
  await eventually('the one that stands still is cut', async () => {
    t.equal(await echoOf(moving, 'x'), 'x')
    return isCut
  })
})

t.test('each open one takes a place among the streams of its instance', async (t) => {
  const { gateway, connect } = await sceneOf(t, { maxStreams: 1 })
  const alice = bearer(await gateway.signIn())
  const first = connect('/ws', alice)
  t.equal(await statusOf(first), 101)
  t.equal(await statusOf(connect('/ws', alice)), 503)
  first.close()
  await once(first, 'close')
  await eventually('the place is free', async () => (await statusOf(connect('/ws', alice))) === 101)
})

t.test('a service that is not there or does not switch is told by a status', async (t) => {
  const { gateway, service, connect } = await sceneOf(t)
  const alice = bearer(await gateway.signIn())
  service.options.verifyClient = (_info, response) => response(false, 404)
  t.equal(await statusOf(connect('/ws', alice)), 404)
  for (const socket of service.clients) socket.terminate()
  await new Promise((resolve) => service.close(resolve))
  t.equal(await statusOf(connect('/ws', alice)), 502)
})

t.test('a gateway that stops ends them, and does not wait', async (t) => {
  const { gateway, connect } = await sceneOf(t)
  const socket = connect('/ws', bearer(await gateway.signIn()))
  t.equal(await statusOf(socket), 101)
  const closed = once(socket, 'close')
  await Promise.all([closed, gateway.app.close()])
})

t.test('it ends with its access token where the route says so, and nowhere else', async (t) => {
  const { gateway, connect } = await sceneOf(t, { onExpiry: 'cut' })
  const root = await gateway.signInToServices('root')
  const cut = connect('/ws', bearer(root))
  const kept = connect('/admin-ws', bearer(root))
  t.strictSame(await Promise.all([statusOf(cut), statusOf(kept)]), [101, 101])
  const closed = once(cut, 'close')
  gateway.clock.advance(root.expires_in * 1000)
  t.equal((await closed)[0], 1006)
  t.equal(await echoOf(kept, 'still here'), 'still here')
})

t.test('a tunnel is counted when it opens, its duration when it ends, and a refused handshake once', async (t) => {
  const { gateway, service, connect } = await sceneOf(t)
  const alice = bearer(await gateway.signIn())
  const meter = gateway.app.forwardedRoutes.find(({ prefix }) => prefix === '/ws')?.meter
  const countedOf = () => {
    const { responses, failed, left, latency, tunnels } = meter ?? {}
    const total = (histogram: typeof latency) => histogram?.counts.reduce((sum, count) => sum + count, 0)
    return { responses: [...(responses ?? [])], failed, left, latency: total(latency), tunnels: total(tunnels) }
  }
  const socket = connect('/ws', alice)
  t.equal(await statusOf(socket), 101)
  t.match(countedOf(), { responses: [0, 1, 0, 0, 0, 0], latency: 1, tunnels: 0 })
  socket.close()
  await eventually('it has ended', () => countedOf().tunnels === 1)
  t.ok((meter?.tunnels.sum ?? 0) > 0)
  t.equal(await statusOf(connect('/ws')), 401)
  t.match(countedOf(), { responses: [0, 1, 0, 0, 0, 0], failed: 0 }, 'what is not sent to the service is not counted')
  service.options.verifyClient = (_info, response) => response(false, 404)
  t.equal(await statusOf(connect('/ws', alice)), 404)
  service.options.verifyClient = (_info, response) => response(false, 204)
  t.equal(await statusOf(connect('/ws', alice)), 502)
  await new Promise((resolve) => service.close(resolve))
  t.equal(await statusOf(connect('/ws', alice)), 502)
  t.strictSame(countedOf(), { responses: [0, 1, 0, 0, 1, 0], failed: 2, left: 0, latency: 2, tunnels: 1 })
})
