// Bodies on their way through the gateway, both ways: held back, bounded, cut, abandoned.
import { once } from 'node:events'
import { request as httpRequest, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { drip, openRaw, sendRaw, statusesIn } from '../../support/raw-client.ts'
import { standsStill, startFakeUpstream, startRawUpstream, startStreamingUpstream } from '../../support/upstream.ts'
import { asAlice, gatewayFor, startGateway, upstreamFor } from './gateway.ts'

t.test('a large body passes both ways, held back by a slow reader, in bounded memory', async (t) => {
  const totalBytes = 64 * 1024 * 1024
  let writtenBytes = 0
  const upstream = await startStreamingUpstream((_request, response) => {
    const part = Buffer.alloc(65_536, 'x')
    const fill = () => {
      while (writtenBytes < totalBytes) {
        writtenBytes += part.length
        if (!response.write(part)) return void response.once('drain', fill)
      }
      response.end()
    }
    fill()
  })
  t.teardown(() => upstream.close())
  const { port } = await gatewayFor(t, [{ prefix: '/big', upstream: upstream.url, policy: 'public' }])
  const request = httpRequest({ host: '127.0.0.1', port, path: '/big' }).end()
  const [response] = await once(request, 'response')
  response.pause()
  await standsStill('what the service could write', () => writtenBytes)
  t.ok(writtenBytes < totalBytes / 2, `${writtenBytes} bytes were taken from the service while nobody read`)
  let readBytes = 0
  response.on('data', (part: Buffer) => {
    readBytes += part.length
  })
  response.resume()
  await once(response, 'end')
  t.equal(readBytes, totalBytes)
})

t.test('a large upload passes, held back by a slow service', async (t) => {
  const totalBytes = 32 * 1024 * 1024
  let take: (() => void) | undefined
  let takenBytes = 0
  const upstream = await startStreamingUpstream((request, response) => {
    request.pause()
    take = () => {
      request.on('data', (part) => {
        takenBytes += part.length
      })
      request.on('end', () => response.end('thanks'))
      request.resume()
    }
  })
  t.teardown(() => upstream.close())
  const { port } = await gatewayFor(t, [
    { prefix: '/big', upstream: upstream.url, policy: 'public', bodyLimitBytes: totalBytes },
  ])
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    path: '/big',
    method: 'POST',
    headers: { 'content-length': totalBytes },
  })
  const part = Buffer.alloc(65_536, 'x')
  let sentBytes = 0
  const fill = () => {
    while (sentBytes < totalBytes) {
      sentBytes += part.length
      if (!request.write(part)) return void request.once('drain', fill)
    }
    request.end()
  }
  fill()
  await standsStill('what the client could write', () => (take === undefined ? 0 : sentBytes))
  t.ok(sentBytes < totalBytes / 2, `${sentBytes} bytes were taken from the client while nobody read`)
  take?.()
  const [response] = await once(request, 'response')
  response.resume()
  t.equal(response.statusCode, 200)
  t.equal(takenBytes, totalBytes)
})

t.test('a declared length beyond the limit is 413 before anything is sent on', async (t) => {
  const upstream = await upstreamFor(t)
  const { port, url } = await gatewayFor(t, [
    { prefix: '/small', upstream: upstream.url, policy: 'public', bodyLimitBytes: 8 },
  ])
  const early = await sendRaw(port, 'POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nConnection: close\r\n\r\n')
  t.match(early, { text: /^HTTP\/1.1 413 / })
  t.equal(upstream.connections.length, 0)
  t.equal((await fetch(`${url}/small`, { method: 'POST', body: '12345678' })).status, 200)
  t.equal(upstream.received.length, 1)
})

t.test(
  'a body that grows beyond the limit is 413, the request to the service is aborted and the connection closes',
  async (t) => {
    let aborted = 0
    let whole = 0
    const upstream = await startStreamingUpstream((request) => {
      request.on('aborted', () => {
        aborted += 1
      })
      request.on('end', () => {
        whole += 1
      })
      request.resume()
    })
    t.teardown(() => upstream.close())
    const { port } = await gatewayFor(t, [
      { prefix: '/small', upstream: upstream.url, policy: 'public', bodyLimitBytes: 8 },
    ])
    const response = await sendRaw(port, [
      'POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
      '5\r\n12345\r\n',
      '5\r\n12345\r\n',
    ])
    t.match(response, { text: /^HTTP\/1.1 413 [\s\S]*body_too_large/, closed: true })
    await eventually('the service sees the abort', () => aborted === 1)
    t.equal(whole, 0)
  },
)

t.test('a head is passed on when it comes, however late its body is', async (t) => {
  for (const fields of ['Content-Type: text/event-stream\r\n', 'Content-Length: 5\r\n', 'Content-Length: 50000\r\n']) {
    const upstream = await startRawUpstream((socket) => socket.write(`HTTP/1.1 200 OK\r\n${fields}\r\n`))
    t.teardown(() => upstream.close())
    const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
    const client = openRaw(port)
    t.teardown(() => client.socket.destroy())
    client.socket.write('GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
    await eventually(`the head with ${fields}`, () => client.text.endsWith('\r\n\r\n'), 2000)
    upstream.connections[0]?.write('first')
    await eventually('the first part', () => /first(\r\n)?$/.test(client.text), 2000)
    t.equal(client.text.match(/HTTP\/1\.1/g)?.length, 1)
  }
})

t.test('a client that leaves frees the service soon, before and after the response began', async (t) => {
  for (const begun of [false, true]) {
    let open = 0
    const upstream = await startStreamingUpstream((request, response) => {
      open += 1
      request.socket.on('close', () => {
        open -= 1
      })
      if (begun) response.write('beginning')
    })
    const gateway = await startGateway([
      { prefix: '/slow', upstream: upstream.url, policy: 'public', maxConcurrent: 1 },
    ])
    await sendRaw(gateway.port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n', {
      until: begun ? (text) => text.includes('beginning') : () => open === 1,
      deadlineMs: begun ? 5000 : 300,
    })
    await eventually('the connection to the service is gone', () => open === 0)
    t.notSame(
      statusesIn((await sendRaw(gateway.port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n', { deadlineMs: 300 })).text),
      [503],
      'its place is free again',
    )
    await gateway.app.close()
    await upstream.close()
  }
})

t.test('a client that leaves while the service is being connected to frees its place soon', async (t) => {
  const held: Socket[] = []
  const server = createServer((socket) => held.push(socket.on('error', () => {}).resume()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  // Boundary: it listens on a port.
  const upstream = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const timeouts = { connect: '60s' }
  const { port } = await gatewayFor(t, [
    { prefix: '/x', upstream, policy: 'public', websocket: true, maxConcurrent: 1, maxStreams: 1, timeouts },
  ])
  const handshake =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  for (const [at, more] of ['', 'Content-Length: 5\r\n', handshake, ''].entries()) {
    const client = openRaw(port)
    t.teardown(() => client.socket.destroy())
    client.socket.write(`GET /x HTTP/1.1\r\nHost: x\r\n${more}\r\n`)
    await eventually('it is being connected', () => held.length > at || client.text !== '', 2000)
    client.socket.destroy()
    await eventually('the service is free', () => held[at]?.destroyed === true)
  }
})

t.test('a client that leaves in the middle of an upload aborts it at the service', async (t) => {
  let aborted = 0
  const upstream = await startStreamingUpstream((request) => {
    request.on('aborted', () => {
      aborted += 1
    })
    request.resume()
  })
  t.teardown(() => upstream.close())
  const { port } = await gatewayFor(t, [{ prefix: '/up', upstream: upstream.url, policy: 'public' }])
  const { socket } = openRaw(port)
  socket.write('POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf')
  await eventually('the upload has begun', () => upstream.connections.length === 1)
  socket.destroy()
  await eventually('the service sees the abort', () => aborted === 1)
})

t.test('a client that leaves behind an unanswered pipelined request frees both', async (t) => {
  let open = 0
  const upstream = await startStreamingUpstream((request) => {
    open += 1
    request.socket.on('close', () => {
      open -= 1
    })
  })
  t.teardown(() => upstream.close())
  const { port } = await gatewayFor(t, [{ prefix: '/slow', upstream: upstream.url, policy: 'public' }])
  const { socket } = openRaw(port)
  socket.write('GET /slow/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /slow/2 HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually('both are with the service', () => open === 2)
  socket.destroy()
  await eventually('both are gone', () => open === 0)
})

t.test('a body that stands still is cut: the response’s visibly, the request’s with 408', async (t) => {
  const upstream = await startStreamingUpstream((request, response) => {
    request.resume()
    if (request.method === 'GET') response.writeHead(200, { 'content-length': 100 }).write('beginning')
  })
  t.teardown(() => upstream.close())
  const { port } = await gatewayFor(t, [
    { prefix: '/still', upstream: upstream.url, policy: 'public', timeouts: { bodyIdle: '60ms' } },
  ])
  const cut = await sendRaw(port, 'GET /still HTTP/1.1\r\nHost: x\r\n\r\n')
  t.match(cut, { text: /beginning$/, closed: true })
  const half = await sendRaw(port, 'POST /still HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf')
  t.match(half, { text: /^HTTP\/1.1 408 /, closed: true })
})

t.test('a long transfer that moves is not cut by any limit for whole requests', async (t) => {
  const upstream = await upstreamFor(t)
  const { port } = await gatewayFor(
    t,
    [{ prefix: '/up', upstream: upstream.url, policy: 'public', timeouts: { bodyIdle: '2s' } }],
    { limits: { requestTimeoutMs: 200, headersTimeoutMs: 100 } },
  )
  const client = openRaw(port)
  client.socket.write('POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n')
  await drip(client.socket, 'x', () => client.text.startsWith('HTTP/1.1 200'))
  client.socket.destroy()
  t.equal(upstream.received[0]?.body.length, 12)
})

t.test('trailers end here, in both directions', async (t) => {
  const upstream = await upstreamFor(t, (_request, response) => {
    response.writeHead(200, { trailer: 'x-theirs' })
    response.write('body')
    response.addTrailers({ 'x-theirs': 'evil' })
    response.end()
  })
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  const response = await sendRaw(
    port,
    'POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Auth-Subject\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\nX-Auth-Subject: evil\r\n\r\n',
  )
  t.match(response.text, /body/)
  t.notMatch(response.text, /theirs/i)
  t.equal(upstream.received[0]?.body, 'hi')
  t.notMatch(JSON.stringify(upstream.received), /evil/)
})

t.test('a GET with a body passes it on, and a POST without one says so', async (t) => {
  const upstream = await upstreamFor(t)
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  await sendRaw(port, 'GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi')
  await sendRaw(port, 'POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await sendRaw(port, 'DELETE /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi')
  t.match(upstream.received, [
    { method: 'GET', body: 'hi' },
    { method: 'POST', body: '', headers: { 'content-length': '0' } },
    { method: 'DELETE', body: 'hi' },
  ])
})

t.test('100 Continue is sent when the policy has passed and the service is reached, and not before', async (t) => {
  const upstream = await upstreamFor(t)
  const gone = await startFakeUpstream()
  await gone.close()
  const { port } = await gatewayFor(t, [
    { prefix: '/x', upstream: upstream.url },
    { prefix: '/gone', upstream: gone.url, policy: 'public' },
  ])
  const expecting = (path: string, field: string) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\n${field}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`
  const refused = await sendRaw(port, expecting('/x', ''))
  t.same([statusesIn(refused.text), refused.closed], [[401], true])
  const unreachable = await sendRaw(port, expecting('/gone', ''))
  t.same([statusesIn(unreachable.text), unreachable.closed], [[502], true])
  const client = openRaw(port)
  client.socket.write(expecting('/x', `${asAlice}\r\n`))
  await eventually('the gateway says go on', () => client.text.startsWith('HTTP/1.1 100'))
  t.equal(upstream.received.length, 0)
  client.socket.write('hi')
  await eventually('the response', () => statusesIn(client.text).includes(200))
  client.socket.destroy()
  t.match(upstream.received, [{ body: 'hi', headers: { expect: undefined } }])
})

t.test('a stop lets what is under way finish, and its response closes the connection', async (t) => {
  const waiting: ServerResponse[] = []
  const upstream = await upstreamFor(t, (_request, response) => void waiting.push(response))
  const { app, port } = await startGateway([{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  const response = sendRaw(port, 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually('the request is with the service', () => waiting.length === 1)
  const closed = app.close()
  await new Promise((resolve) => setImmediate(resolve))
  waiting[0]?.end('whole')
  t.match(await response, { text: /connection: close[\s\S]*whole/i, closed: true })
  await closed
})
