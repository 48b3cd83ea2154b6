// Attacks on the life of connections: kept ones that a service closes, pipelines that never end, stops that are held open, and
// clients too old for interim answers.
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { gatewayFor, startGateway, upstreamFor } from '../../plugins/forward/gateway.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw, sendRaw, statusesIn } from '../../support/raw-client.ts'
import { later, startRawUpstream } from '../../support/upstream.ts'

const host = 'Host: gateway\r\n'

// Answers the first request of each connection, and ends the connection when the second is there.
async function forgetfulService(t: { teardown(end: () => Promise<void>): void }) {
  const service = await startRawUpstream((socket, head, number) => {
    if (number === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
    else if (head.includes('/reset')) socket.resetAndDestroy()
    else socket.end()
  })
  t.teardown(() => service.close())
  return service
}

t.test('a kept connection that the service closes under a request costs no safe request its response', async (t) => {
  const service = await forgetfulService(t)
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: service.url, policy: 'public', maxConcurrent: 1 }])
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'GET', 'GET']) {
    for (const path of ['/x/end', '/x/reset']) {
      t.equal((await fetch(url + path, { method })).status, 200, `${method} ${path}`)
    }
  }
})

t.test('a request that may have another effect when it is carried out twice is sent once', async (t) => {
  const service = await forgetfulService(t)
  const { url, port } = await gatewayFor(t, [{ prefix: '/x', upstream: service.url, policy: 'public' }])
  for (const request of [
    `POST /x HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
    `POST /x HTTP/1.1\r\n${host}Connection: close\r\nContent-Length: 2\r\n\r\nhi`,
    `PATCH /x HTTP/1.1\r\n${host}Connection: close\r\nContent-Length: 2\r\n\r\nhi`,
  ]) {
    t.equal((await fetch(`${url}/x`)).status, 200)
    const before = service.heads.length
    t.same(statusesIn((await sendRaw(port, request)).text), [502], request)
    t.equal(service.heads.length - before, 1, 'the service saw it once')
  }
})

t.test('a service that closes every connection gets a safe request twice and no more', async (t) => {
  const service = await startRawUpstream((socket) => socket.end())
  t.teardown(() => service.close())
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: service.url, policy: 'public', maxConcurrent: 1 }])
  for (let round = 1; round <= 3; round += 1) {
    t.equal((await fetch(`${url}/x`)).status, 502)
    t.equal(service.heads.length, round * 2)
  }
})

t.test('what a service has begun to answer is not asked again, whatever it was', async (t) => {
  const beginnings = ['H', 'HTTP/1.1 200 OK\r\nContent-', 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n']
  for (const beginning of beginnings) {
    const service = await startRawUpstream((socket, head) => {
      socket.write(beginning, () =>
        head.includes('/reset') ? later(20, () => socket.resetAndDestroy()) : socket.end(),
      )
    })
    const good = await upstreamFor(t)
    t.teardown(() => service.close())
    const { port } = await gatewayFor(t, [
      { prefix: '/x', upstream: [service.url, good.url], policy: 'public', ejection: { failures: 2, first: '60s' } },
    ])
    for (const path of ['/x/end', '/x', '/x/reset', '/x']) {
      const { text } = await sendRaw(port, `GET ${path} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)
      t.equal(statusesIn(text).at(-1), path === '/x' ? 200 : 502, `${beginning} ${path}`)
    }
    t.equal(service.heads.length, 2, 'each was sent once')
    for (let i = 0; i < 2; i += 1) await sendRaw(port, `GET /x HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)
    t.equal(service.heads.length, 2, 'and both count as failures of the service')
  }
})

t.test('a client that pipelines for ever leaves nothing behind on its connection', async (t) => {
  const upstream = await upstreamFor(t)
  const { app, port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => void process.off('warning', onWarning))
  let closeListeners = () => 0
  app.server.on('connection', (socket) => {
    closeListeners = () => socket.listenerCount('close')
  })
  const client = connect({ host: '127.0.0.1', port })
  t.teardown(() => void client.destroy())
  let text = ''
  client.on('data', (part) => {
    text += part.toString('latin1')
  })
  for (let round = 1; round <= 5; round += 1) {
    client.write(`GET /x HTTP/1.1\r\n${host}\r\n`.repeat(20))
    await eventually('all are answered', () => statusesIn(text).length === round * 20)
  }
  t.ok(closeListeners() < 10, `${closeListeners()} listeners are left`)
  t.same(warnings, [])
})

t.test('one connection that pipelines does not take every place of a service', async (t) => {
  const held: ServerResponse[] = []
  const upstream = await upstreamFor(t, (request, response) => {
    if (request.url === '/x/held') held.push(response)
    else response.end('free')
  })
  const { url, port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, maxConcurrent: 8 }])
  const greedy = openRaw(port)
  t.teardown(() => void greedy.socket.destroy())
  greedy.socket.write(`GET /x/held HTTP/1.1\r\n${host}Authorization: Bearer mallory\r\n\r\n`.repeat(8))
  await eventually('its share is taken', () => held.length === 2)
  t.equal((await fetch(`${url}/x/free`, { headers: { authorization: 'Bearer alice' } })).status, 200)
  t.equal(held.length, 2, 'a quarter of the places')
  for (const response of held) response.end('late')
  await eventually('all are answered, in order', () => statusesIn(greedy.text).length === 8)
  t.same(statusesIn(greedy.text), [200, 200, 503, 503, 503, 503, 503, 503])
  greedy.socket.write(`GET /x/free HTTP/1.1\r\n${host}Authorization: Bearer mallory\r\n\r\n`)
  await eventually('the share is free again', () => statusesIn(greedy.text)[8] === 200)
})

t.test('a pair of pipelined requests is no flood, however few places a service has', async (t) => {
  const upstream = await upstreamFor(t)
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public', maxConcurrent: 2 }])
  const pair = openRaw(port)
  t.teardown(() => void pair.socket.destroy())
  pair.socket.write(`GET /x/1 HTTP/1.1\r\n${host}\r\nGET /x/2 HTTP/1.1\r\n${host}\r\n`)
  await eventually('both are answered', () => statusesIn(pair.text).length === 2)
  t.same(statusesIn(pair.text), [200, 200])
})

t.test('a stop is not held open by requests that never arrive whole', async (t) => {
  for (const [name, bytes] of Object.entries({
    'half a head': `GET /own HTTP/1.1\r\n${host}`,
    'half a body': `POST /own HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{`,
    'an answered one and half a head': `GET /own HTTP/1.1\r\n${host}\r\nGET /own HT`,
  })) {
    const { app, port } = await startGateway([])
    let arrived = false
    app.server.on('connection', (socket) =>
      socket.once('data', () => {
        arrived = true
      }),
    )
    const client = connect({ host: '127.0.0.1', port })
    client.on('error', () => {})
    t.teardown(() => void client.destroy())
    client.write(bytes)
    await eventually('it has arrived', () => arrived)
    const startedAtMs = performance.now()
    await app.close()
    t.ok(performance.now() - startedAtMs < 4000, name)
  }
})

t.test('an HTTP/1.0 client gets no interim response, whatever it expects', async (t) => {
  const upstream = await upstreamFor(t)
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  for (const path of ['/x', '/own']) {
    const head = `POST ${path} HTTP/1.0\r\n${host}Expect: 100-continue\r\nContent-Type: application/json\r\n`
    const { text } = await sendRaw(port, `${head}Content-Length: 2\r\n\r\n{}`)
    t.match(text, /^HTTP\/1\.1 200 /, path)
  }
})

t.test('what follows a request for another protocol is never taken for a request', async (t) => {
  const waiting: ServerResponse[] = []
  const upstream = await upstreamFor(t, (_request, response) => void waiting.push(response))
  const { app, port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  let bytesRead = () => 0
  app.server.on('connection', (socket) => {
    bytesRead = () => socket.bytesRead
  })
  const smuggled = `GET /x/smuggled HTTP/1.1\r\n${host}\r\n`
  // Node's parser loses it with the request before it, and then sees its body as a request.
  const lost = `POST /x/lost HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n`
  for (const [target, protocol] of [
    ['/x/held', 'h2c'],
    ['/x/held', 'websocket'],
    ['/x/..', 'h2c'],
    ['/x/%e2%28', 'h2c'],
    ['/own', 'h2c'],
    ['/x/held', 'TLS/1.2'],
  ]) {
    const title = `${target} ${protocol}`
    const client = openRaw(port)
    t.teardown(() => void client.socket.destroy())
    const first = `GET ${target} HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n${lost}`
    client.socket.write(first)
    await eventually(`${title} is answered or held`, () => client.text !== '' || waiting.length > 0)
    if (!client.closed) client.socket.write(smuggled)
    await eventually(`${title} is read`, () => client.closed || bytesRead() === first.length + smuggled.length)
    for (const response of waiting.splice(0)) response.end('held')
    await eventually(`${title} is over`, () => client.closed || waiting.length > 0)
    t.ok(client.closed, `${title}: the connection ends`)
    t.match(client.text, /connection: close/i, title)
    t.notOk(
      upstream.received.some(({ url }) => url === '/x/smuggled'),
      title,
    )
    for (const response of waiting.splice(0)) response.end()
  }
})

t.test('a body is neither read nor waited for where there is nothing', async (t) => {
  const { port } = await gatewayFor(t, [], { before: (app) => void app.get('/only-get', async () => 'one') })
  for (const [target, status] of [
    ['/nowhere', 404],
    ['/only-get', 405],
  ] as const) {
    for (const more of ['', 'Expect: 100-continue\r\n', 'Content-Type: garbage\r\n']) {
      const head = `POST ${target} HTTP/1.1\r\n${host}Connection: close\r\nContent-Type: application/json\r\n${more}`
      const { text } = await sendRaw(port, `${head}Content-Length: 9\r\n\r\n`, { deadlineMs: 2000 })
      t.same(statusesIn(text), [status], `${target} ${more}`)
    }
  }
})

t.test('a Content-Type that means nothing to the gateway goes on as it is', async (t) => {
  const upstream = await upstreamFor(t)
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  for (const type of ['garbage', '', ';', 'text/plain, application/json', 'a/b/c', '__proto__', 'text/plain; x="']) {
    upstream.received.length = 0
    const head = `POST /x HTTP/1.1\r\n${host}Connection: close\r\nContent-Type: ${type}\r\n`
    t.same(statusesIn((await sendRaw(port, `${head}Content-Length: 2\r\n\r\nhi`)).text), [200], type)
    t.match(upstream.received, [{ body: 'hi', headers: { 'content-type': type } }], type)
  }
})
