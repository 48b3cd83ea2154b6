// Tests of what is under way when its session is revoked ends at once, on every node; when its access token expires it ends
// where the route says so. Real connections on two gateways and one Redis.
import { decodeJwt, decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { Clock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, type TestGateway, type Tokens } from '../../support/gateway.ts'
import { newPrefix, sharedRedis } from '../../support/redis/server.ts'
import { startStreamingUpstream } from '../../support/upstream.ts'
import { startNodes, statusAt } from './nodes.ts'

const url = await sharedRedis(t)

/** A service that begins a response and never ends it (`/stream`), or does not answer at all (`/wait`). */
async function startService(t: Test) {
  const open = new Set<object>()
  const service = await startStreamingUpstream((request, response) => {
    open.add(response)
    response.on('close', () => open.delete(response))
    if (request.url?.endsWith('/stream'))
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  })
  t.teardown(() => service.close())
  return { url: service.url, open }
}

async function openScene(t: Test) {
  const service = await startService(t)
  const clock = new Clock(Date.parse('2026-11-01T12:00:00.400Z'))
  const routes = [
    { prefix: '/kept', upstream: service.url },
    { prefix: '/cut', upstream: service.url, onExpiry: 'cut' as const },
    { prefix: '/open', upstream: service.url, policy: 'public' as const },
  ]
  const { here, there } = await startNodes(t, url, newPrefix(), { clock, config: { routes } })
  const address = await there.app.listen({ host: '127.0.0.1', port: 0 })
  return { service, clock, here, there, address }
}

/** Opens a stream at the other node. */
async function stream(t: Test, address: string, path: string, tokens?: Tokens) {
  const leaving = new AbortController()
  t.teardown(() => leaving.abort())
  const response = await fetch(`${address}${path}`, { headers: tokens ? bearer(tokens) : {}, signal: leaving.signal })
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}`)
  const state = { isOpen: true }
  void response.text().then(
    () => Object.assign(state, { isOpen: false, isWhole: true }),
    () => Object.assign(state, { isOpen: false, isWhole: false }),
  )
  return state
}

const kinds: Record<string, (here: TestGateway, tokens: Tokens) => Promise<object>> = {
  session: async (_here, tokens) => ({ kind: 'session', sid: tokens.session_id }),
  subject: async () => ({ kind: 'subject', sub: 'alice' }),
  token: async (_here, { access_token }) => ({ kind: 'token', jti: decodeJwt(access_token).jti }),
  'signing key': async (_here, { access_token }) => ({
    kind: 'signing_key',
    kid: decodeProtectedHeader(access_token).kid,
  }),
  everyone: async () => ({ kind: 'everyone' }),
}

for (const [name, bodyOf] of Object.entries(kinds)) {
  t.test(`revoked by ${name} at one node, a stream at the other is cut, and its service is told`, async (t) => {
    const { service, here, there, address } = await openScene(t)
    const tokens = await here.signIn()
    const [revoked, anonymous] = [
      await stream(t, address, '/kept/stream', tokens),
      await stream(t, address, '/open/stream'),
    ]
    t.equal(service.open.size, 2)
    const headers = bearer(await here.signIn('root'))
    await here.post('/admin/revocations', await bodyOf(here, tokens), { headers })
    await eventually('the stream is cut', () => !revoked.isOpen)
    t.match(revoked, { isWhole: false }, 'so that it cannot be taken for complete')
    await eventually('the service is told', () => service.open.size === 1)
    t.ok(anonymous.isOpen, 'who needed no token is left alone')
    t.match(there.events('stream_cut'), [{ sid: tokens.session_id, sub: 'alice', detail: 'revoked', granted: false }])
  })
}

t.test('when the store is another one, streams of the one before are cut', async (t) => {
  const { here, there, address } = await openScene(t)
  const [kept, anonymous] = [
    await stream(t, address, '/kept/stream', await here.signIn()),
    await stream(t, address, '/open/stream'),
  ]
  there.app.store.condition.tell('replaced', 'It was emptied.')
  await eventually('the stream is cut', () => !kept.isOpen)
  t.ok(anonymous.isOpen, 'who needed no token is left alone')
})

t.test('streams of other sessions go on', async (t) => {
  const { here, address } = await openScene(t)
  const [tokens, others] = [await here.signIn(), await here.signIn()]
  const [cut, kept] = [
    await stream(t, address, '/kept/stream', tokens),
    await stream(t, address, '/kept/stream', others),
  ]
  await here.post('/auth/logout', { refresh_token: tokens.refresh_token })
  await eventually('the stream is cut', () => !cut.isOpen)
  t.ok(kept.isOpen)
})

t.test('the cut comes with the revocation, not with the next look at everything', async (t) => {
  const { here, address } = await openScene(t)
  const startedAt = performance.now()
  // One after the other: a look each second would take four seconds and more.
  for (let i = 0; i < 5; i += 1) {
    const tokens = await here.signIn()
    const cut = await stream(t, address, '/kept/stream', tokens)
    await here.post('/auth/logout', { refresh_token: tokens.refresh_token })
    await eventually('the stream is cut', () => !cut.isOpen)
  }
  t.ok(performance.now() - startedAt < 3_000)
})

t.test('a request that was not answered yet is refused', async (t) => {
  const { service, here, address } = await openScene(t)
  const tokens = await here.signIn()
  const waiting = fetch(`${address}/kept/wait`, { headers: bearer(tokens) })
  await eventually('it is with the service', () => service.open.size === 1)
  await here.post('/auth/logout', { refresh_token: tokens.refresh_token })
  const response = await waiting
  t.match([response.status, await response.json()], [401, { code: 'invalid_token' }])
  t.match(response.headers.get('www-authenticate'), /^Bearer/)
  await eventually('the service is told', () => service.open.size === 0)
})

t.test('an expired access token ends its stream where the route says cut, and there only', async (t) => {
  const { clock, here, there, address } = await openScene(t)
  const tokens = await here.signIn()
  const [kept, cut] = [
    await stream(t, address, '/kept/stream', tokens),
    await stream(t, address, '/cut/stream', tokens),
  ]
  clock.advance((tokens.expires_in - 1) * 1000)
  t.equal(await statusAt(there, tokens), 200)
  clock.advance(2_000)
  await eventually('the stream is cut', () => !cut.isOpen)
  t.match(there.events('stream_cut'), [{ detail: 'expired' }])
  t.ok(kept.isOpen)
  await here.post('/auth/logout', { refresh_token: tokens.refresh_token })
  await eventually('a revocation cuts it all the same', () => !kept.isOpen)
})

t.test('a WebSocket of a revoked session is closed', async (t) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  await eventually('it listens', () => server.address() !== null)
  const { port } = Object(server.address())
  const routes = [{ prefix: '/ws', upstream: `http://127.0.0.1:${port}`, websocket: true }]
  const clock = new Clock(Date.parse('2026-11-01T12:00:00.400Z'))
  const { here, there } = await startNodes(t, url, newPrefix(), { clock, config: { routes } })
  const address = await there.app.listen({ host: '127.0.0.1', port: 0 })
  const tokens = await here.signIn()
  const socket = new WebSocket(`${address.replace('http', 'ws')}/ws/x`, { headers: bearer(tokens) })
  socket.on('error', () => undefined)
  await eventually('it is open', () => socket.readyState === WebSocket.OPEN)
  await here.post('/auth/logout', { refresh_token: tokens.refresh_token })
  await eventually('it is closed', () => socket.readyState === WebSocket.CLOSED)
})
