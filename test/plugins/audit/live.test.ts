// Live events over a real connection: what an operator sees as it happens, and when the stream must end: the administrator's own
// session, the access token, a reader that does not read, the gateway.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { LiveEvents } from '../../../plugins/audit/live.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, startGateway, type TestGateway, type Tokens } from '../../support/gateway.ts'

async function withListening(t: Test) {
  const gateway = await startGateway(t)
  const { port } = new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 }))
  const admin = await gateway.signIn('root')
  const { live, recorder } = gateway.app.auditTrail
  const step = async () => {
    await recorder.flush()
    await live.look()
  }
  return { ...gateway, port: Number(port), admin, live, step }
}

async function watch(t: Test, { port, admin }: { port: number; admin: Tokens }) {
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  const seen = { text: '', isOver: false }
  socket.on('data', (part) => {
    seen.text += part
  })
  socket.on('error', () => undefined)
  socket.once('close', () => {
    seen.isOver = true
  })
  const { authorization } = bearer(admin)
  socket.write(
    `GET /admin/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
  )
  await eventually('the stream begins', () => seen.text.includes(': live'))
  return Object.assign(seen, { socket })
}

// Looks until what is watched for has come: the first look only finds out where to begin.
async function until(step: () => Promise<void>, what: string, isTrue: () => boolean): Promise<void> {
  await eventually(what, async () => {
    await step()
    return isTrue()
  })
}

t.test('what happens is seen as it happens, one JSON text an event, and counts follow', async (t) => {
  const scene = await withListening(t)
  const seen = await watch(t, scene)
  t.match(seen.text, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(seen.text, /content-type: text\/event-stream/)
  t.match(seen.text, /cache-control: no-store/)
  await scene.step()
  await scene.post('/auth/login', { username: 'alice', password: 'wrong' })
  await until(scene.step, 'the event', () =>
    /^event: event\ndata: \{.*"reason":"login_failed".*\}\n\n/m.test(seen.text),
  )
  t.notMatch(seen.text, /login_ok/, 'what came before is not told')
  await scene.post('/auth/login', { username: 'alice', password: 'wrong' })
  await until(scene.step, 'the counts', () => /"counts":\{[^}]*"login_failed":[12]/.test(seen.text))
})

t.test('the stream ends with the administrator’s session, with the access token, and with the gateway', async (t) => {
  const endings: Record<string, (scene: TestGateway & { admin: Tokens }) => unknown> = {
    session: ({ app, admin }) => app.sessions.end(admin.session_id, 'revoked_by_admin'),
    token: ({ clock }) => clock.advance(301_000),
    gateway: ({ app }) => void app.close(),
  }
  for (const [name, end] of Object.entries(endings)) {
    const scene = await withListening(t)
    const seen = await watch(t, scene)
    await scene.step()
    t.notOk(seen.isOver, `${name}: before`)
    await end(scene)
    await until(
      () => scene.live.look(),
      `the stream ends with the ${name}`,
      () => seen.isOver,
    )
    t.equal(scene.live.size, 0)
  }
})

t.test('a reader that does not read is dropped, not buffered for', async (t) => {
  const events = {
    page: async () => ({ events: [], next: undefined }),
    history: async () => ({ from: 0, reasons: { x: [1] } }),
  }
  const live = new LiveEvents({
    // Boundary of the test: live events ask for these two only.
    store: events as unknown as ConstructorParameters<typeof LiveEvents>[0]['store'],
    clock: () => 0,
    view: () => ({}),
  })
  t.teardown(() => live.close())
  const reader = live.open(() => false)
  if (!reader) throw new Error('nobody may watch')
  const closed = once(reader, 'close')
  reader.pause()
  for (let i = 0; i < 400 && !reader.destroyed; i += 1) reader.write('x'.repeat(1024))
  await closed
  t.ok(reader.readableLength <= 257 * 1024)
  t.equal(live.size, 0)
})

t.test('so many may watch, and no more', async (t) => {
  const { app, admin } = await withListening(t)
  const readers = Array.from({ length: 100 }, () => app.auditTrail.live.open(() => false))
  t.ok(readers.every(Boolean))
  const refused = await app.inject({ url: '/admin/events/stream', headers: bearer(admin) })
  t.match(refused.json(), { code: 'overloaded' })
  t.equal(refused.statusCode, 503)
})

t.test('a HEAD request watches nothing', async (t) => {
  const { app, admin } = await withListening(t)
  const response = await app.inject({ method: 'HEAD', url: '/admin/events/stream', headers: bearer(admin) })
  t.ok(response.statusCode >= 400)
  t.equal(app.auditTrail.live.size, 0)
})

t.test('a reader that leaves is forgotten', async (t) => {
  const scene = await withListening(t)
  const seen = await watch(t, scene)
  t.equal(scene.live.size, 1)
  const left: Socket = seen.socket
  left.destroy()
  await eventually('it is forgotten', () => scene.live.size === 0)
})

t.test('while the store is away, those who watch are told, and see again when it is back', async (t) => {
  const scene = await withListening(t)
  const seen = await watch(t, scene)
  await scene.step()
  const { page } = scene.app.auditTrail.store
  scene.app.auditTrail.store.page = () => Promise.reject(new Error('away'))
  await until(
    () => scene.live.look(),
    'it is told',
    () => seen.text.includes(': the store is away'),
  )
  scene.app.auditTrail.store.page = page
  await scene.post('/auth/login', { username: 'alice', password: 'wrong' })
  await until(scene.step, 'the event', () => seen.text.includes('login_failed'))
})
