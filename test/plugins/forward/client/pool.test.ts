// Connections to a service, over real sockets: which request is on which, how each end is told once, and what becomes of them.
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import type { Call, CallConnection, CallFailure, OutgoingRequest } from '../../../../plugins/forward/client/call.ts'
import { Pool } from '../../../../plugins/forward/client/pool.ts'
import type { ResponseHead } from '../../../../plugins/forward/client/response-head.ts'
import { eventually } from '../../../support/eventually.ts'
import { startRawUpstream } from '../../../support/upstream.ts'

/** A call that writes down what it is told; `end` resolves with how it ended, and a second end is a fault. */
class Listener implements Call {
  readonly #end = Promise.withResolvers<string>()
  readonly end = this.#end.promise
  connection: CallConnection | undefined
  ends: string[] = []
  body = ''
  isWanted = true
  /** Done with the first part of a body. */
  onPart: () => void = () => undefined
  onSwitch?: (head: ResponseHead, socket: Socket) => void

  onSending(connection: CallConnection): boolean {
    this.connection = connection
    return this.isWanted
  }

  onHead(): void {}

  onBody(part: Buffer): void {
    this.body += part.toString('latin1')
    this.onPart()
  }

  onEnd(): void {
    this.#tell('answered')
  }

  onFailure({ kind, word }: CallFailure): void {
    this.#tell(`${kind}: ${word}`)
  }

  #tell(end: string): void {
    this.ends.push(end)
    this.#end.resolve(end)
  }
}

type Respond = Parameters<typeof startRawUpstream>[0]

async function openPool(t: { teardown: (end: () => unknown) => void }, respond: Respond) {
  const service = await startRawUpstream(respond)
  const pool = new Pool({
    origin: service.url,
    connectMs: 1000,
    maxAgeMs: 300_000,
    responseHeadBytes: 32_768,
    tls: undefined,
  })
  t.teardown(() => {
    pool.destroy()
    return service.close()
  })
  return { service, pool, ask: (request: Partial<OutgoingRequest> = {}) => sendOn(pool, request) }
}

function sendOn(pool: Pool, request: Partial<OutgoingRequest>, call = new Listener()): Listener {
  pool.send({ method: 'GET', path: '/', fields: ['host', 'h'], body: null, bodyBytes: -1, ...request }, call)
  return call
}

// Sooner than an idle connection would end by itself.
const ends = (what: string, isTrue: () => boolean) => eventually(what, isTrue, 2000)

const response = (body: string, fields = '') =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`

t.test('a connection is used again, one request at a time, the last one first', async (t) => {
  const { service, ask } = await openPool(t, (socket, head) => void socket.write(response(head.slice(4, 6))))
  const [first, second] = [ask({ path: '/1' }), ask({ path: '/2' })]
  t.strictSame([await first.end, await second.end], ['answered', 'answered'])
  t.strictSame([first.body, second.body], ['/1', '/2'])
  for (let i = 3; i < 9; i += 1) {
    const next = ask({ path: `/${i}` })
    await next.end
    t.equal(next.body, `/${i}`)
    t.equal(next.connection, second.connection === next.connection ? second.connection : first.connection)
  }
  t.equal(service.connections.length, 2)
})

t.test('a connection that the service ends, or says it will end, takes no other request', async (t) => {
  const endings: Record<string, (socket: Socket) => void> = {
    'says close': (socket) => void socket.write(response('x', 'Connection: close\r\n')),
    'speaks 1.0': (socket) => void socket.write(response('x').replace('1.1', '1.0')),
    closes: (socket) => void socket.end(response('x')),
    'says more': (socket) => void socket.write(`${response('x')}${response('EVIL')}`),
    'keeps none': (socket) => void socket.write(response('x', 'Keep-Alive: timeout=1\r\n')),
  }
  for (const [name, end] of Object.entries(endings)) {
    const { service, ask } = await openPool(t, end)
    for (let i = 1; i <= 3; i += 1) {
      const call = ask()
      t.strictSame([await call.end, call.body], ['answered', 'x'], name)
      await ends('it has ended', () => name === 'keeps none' || service.connections[i - 1]?.destroyed === true)
    }
    t.equal(service.connections.length, 3, name)
  }
})

t.test('bytes that come unasked end an idle connection', async (t) => {
  const { service, ask } = await openPool(t, (socket) => void socket.write(response('x')))
  await ask().end
  service.connections[0]?.write(response('EVIL'))
  await ends('it has ended', () => service.connections[0]?.destroyed === true)
  const next = ask()
  t.strictSame([await next.end, next.body], ['answered', 'x'])
})

t.test('how a call fails says how far it had come', async (t) => {
  const failures: [string, Respond][] = [
    ['closed: other side closed', (socket) => void socket.end()],
    ['broken: other side closed', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-')],
    ['closed: ECONNRESET', (socket) => void socket.resetAndDestroy()],
    ['broken: other side closed', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel')],
    ['malformed: status_line', (socket) => void socket.write('SSH-2.0-x\r\n')],
    ['malformed: unasked_switch', (socket) => void socket.write('HTTP/1.1 101 X\r\n\r\n')],
  ]
  for (const [end, respond] of failures) {
    const { service, ask } = await openPool(t, respond)
    const call = ask()
    t.equal(await call.end, end)
    await ends('the connection has ended', () => service.connections.every((socket) => socket.destroyed))
    t.equal(call.ends.length, 1, 'told once')
  }
  const { service, pool } = await openPool(t, () => undefined)
  await service.close()
  t.equal(await sendOn(pool, {}).end, 'unsent: ECONNREFUSED')
})

t.test('a call is aborted wherever it stands, is told once, and its connection is not used again', async (t) => {
  const { service, ask } = await openPool(t, (socket, head) => {
    if (head.includes('/half')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel')
    if (head.includes('/whole')) socket.write(response('whole'))
  })
  const silent = ask({ path: '/silent' })
  const half = ask({ path: '/half' })
  half.onPart = () => half.connection?.abort(half, 'enough')
  t.equal(await half.end, 'aborted: enough')
  await eventually('it is with the service', () => service.heads.some((head) => head.includes('/silent')))
  silent.connection?.abort(silent, 'enough')
  t.equal(await silent.end, 'aborted: enough')
  const whole = ask({ path: '/whole' })
  t.equal(await whole.end, 'answered')
  for (const late of [silent, half, whole]) late.connection?.abort(late, 'late')
  t.equal(await ask({ path: '/whole' }).end, 'answered')
  t.equal(service.connections.length, 3, 'one for each that was aborted, one for the others')
  t.strictSame([silent.ends.length, half.ends.length, whole.ends.length], [1, 1, 1])
})

t.test('an unwanted request is never sent', async (t) => {
  const { service, pool } = await openPool(t, (socket) => void socket.write(response('x')))
  const call = new Listener()
  call.isWanted = false
  sendOn(pool, {}, call)
  t.equal(await call.end, 'aborted: not_wanted')
  t.strictSame(service.heads, [])
})

t.test('a response that is held back comes no further, and does not hold the next one back', async (t) => {
  const large = 'x'.repeat(8_000_000)
  const { pool } = await openPool(t, (socket, head) => {
    socket.write(response(head.includes('/large') ? large : 'small'))
  })
  const call = new Listener()
  call.onPart = () => call.connection?.pause(call)
  sendOn(pool, { path: '/large' }, call)
  await eventually('it has begun', () => call.body.length > 0)
  const heldAt = call.body.length
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(call.body.length, heldAt)
  t.ok(heldAt <= 65_536)
  call.onPart = () => undefined
  call.connection?.resume(call)
  t.equal(await call.end, 'answered')
  t.equal(call.body, large)

  const paused = new Listener()
  paused.onPart = () => paused.connection?.pause(paused)
  sendOn(pool, { path: '/small' }, paused)
  t.equal(await paused.end, 'answered', 'its end came with its part')
  const next = sendOn(pool, { path: '/small' })
  t.equal(await next.end, 'answered')
  t.equal(next.connection, paused.connection)
})

t.test('a body goes out as it was said, and the connection ends with one that does not', async (t) => {
  const sockets: Socket[] = []
  let received = ''
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', (part) => {
      received += part.toString('latin1')
      if (/0\r\n\r\n$|hello$/.test(received)) socket.write(response('x'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const pool = new Pool({
    origin: `http://127.0.0.1:${address.port}`,
    ...{ connectMs: 1000, maxAgeMs: 300_000, responseHeadBytes: 32_768 },
    tls: undefined,
  })
  t.teardown(() => {
    pool.destroy()
    server.close()
  })
  const put = (body: Readable, bodyBytes: number) => sendOn(pool, { method: 'PUT', body, bodyBytes })
  const parts = (...texts: string[]) => Readable.from(texts.map((text) => Buffer.from(text)))
  t.equal(await put(parts('hel', 'lo'), 5).end, 'answered')
  t.equal(await put(parts('hel', '', 'lo'), -1).end, 'answered')
  t.match(received, /3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n$/, 'an empty part is no chunk')
  t.equal(sockets.length, 1, 'both went out whole')
  t.equal(await put(parts('hel'), 5).end, 'unsendable: body_too_short')
  t.equal(await put(parts('hello!'), 5).end, 'unsendable: body_too_long')
  t.notMatch(received, /hello!/)
  const lost = new PassThrough()
  const call = put(lost, 5)
  await eventually('it is being sent', () => call.connection !== undefined)
  lost.destroy()
  t.equal(await call.end, 'unsendable: body_lost')
  await ends('each has ended its connection', () => sockets.every((socket) => socket.destroyed))
})

t.test(
  'a response that is early leaves the rest of the upload unsent, and the connection is not used again',
  async (t) => {
    const { service, ask } = await openPool(t, (socket) => void socket.write(response('no')))
    const body = new PassThrough()
    body.write('begin')
    const call = ask({ method: 'PUT', body, bodyBytes: 100 })
    t.equal(await call.end, 'answered')
    await ends('its connection has ended', () => service.connections[0]?.destroyed === true)
    t.equal(await ask().end, 'answered')
    t.equal(service.connections.length, 2)
  },
)

t.test('a switch hands the socket over with what came first, and never one that was used before', async (t) => {
  const { service, pool, ask } = await openPool(t, (socket, head) => {
    socket.write(head.includes('/switch') ? 'HTTP/1.1 101 Switching\r\nX: y\r\n\r\nfirst' : response('x'))
  })
  await ask().end
  const switched = Promise.withResolvers<Socket>()
  const call = new Listener()
  call.onSwitch = (_head, socket) => switched.resolve(socket)
  sendOn(pool, { path: '/switch' }, call)
  const socket = await switched.promise
  const [part] = await once(socket.resume(), 'data')
  t.equal(String(part), 'first')
  t.equal(service.connections.length, 2)
  t.strictSame(call.ends, [])
  socket.destroy()
})

t.test('a name is asked for once at a time, however many wait for it, and again afterwards', async (t) => {
  const service = await startRawUpstream((socket) => socket.write(response('x', 'Connection: close\r\n')))
  const pool = new Pool({
    origin: `http://service.test:${service.port}`,
    ...{ connectMs: 1000, maxAgeMs: 300_000, responseHeadBytes: 32_768 },
    tls: undefined,
  })
  t.teardown(() => {
    pool.destroy()
    return service.close()
  })
  const asked: ((error: Error | null, addresses: object[]) => void)[] = []
  t.capture(dns, 'lookup', (...[, , told]: [string, object, (typeof asked)[number]]) => void asked.push(told))
  const together = [sendOn(pool, {}), sendOn(pool, {}), sendOn(pool, {})]
  t.equal(asked.length, 1)
  asked[0]?.(null, [{ address: '127.0.0.1', family: 4 }])
  t.strictSame(await Promise.all(together.map(({ end }) => end)), ['answered', 'answered', 'answered'])
  const unknown = [sendOn(pool, {}), sendOn(pool, {})]
  t.equal(asked.length, 2)
  asked[1]?.(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }), [])
  t.strictSame(await Promise.all(unknown.map(({ end }) => end)), ['unsent: ENOTFOUND', 'unsent: ENOTFOUND'])
})

t.test('what is under way fails when the pool ends, and nothing begins afterwards', async (t) => {
  const { service, pool, ask } = await openPool(t, () => undefined)
  const sent = ask()
  await eventually('it is with the service', () => service.heads.length === 1)
  const connecting = ask()
  pool.destroy()
  t.equal(await sent.end, 'closed: gateway_closes')
  t.equal(await connecting.end, 'unsent: gateway_closes')
  t.equal(await ask().end, 'unsent: gateway_closes')
  await ends('all have ended', () => service.connections.every((socket) => socket.destroyed))
})
