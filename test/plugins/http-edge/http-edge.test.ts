// The rules for every request where it is the gateway's own routes that must obey them; attacks are in test/attacks/transport/http.test.ts.
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { drip, openRaw, sendRaw, statusesIn } from '../../support/raw-client.ts'
import { later, startFakeUpstream, startStreamingUpstream } from '../../support/upstream.ts'
import { startGateway } from '../forward/gateway.ts'

const jsonPost = (path: string, body: string, more = '') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`

t.test('an own route reads its body, and says go on to who waits for that', async (t) => {
  const { app, port, ownBodies } = await startGateway([])
  t.teardown(() => app.close())
  t.same(statusesIn((await sendRaw(port, jsonPost('/own', '{"a":1}', 'Connection: close\r\n'))).text), [200])
  const client = openRaw(port)
  client.socket.write(
    'POST /own HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-Continue\r\nContent-Length: 7\r\n\r\n',
  )
  await eventually('the gateway says go on', () => client.text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
  client.socket.write('{"b":2}')
  await eventually('the response', () => statusesIn(client.text).includes(200))
  client.socket.destroy()
  t.same(ownBodies, [{ a: 1 }, { b: 2 }])
})

t.test('an expectation that is not 100-continue is 417', async (t) => {
  const { app, port, ownBodies } = await startGateway([])
  t.teardown(() => app.close())
  for (const expectation of ['banana', '100-continue, banana', '']) {
    const response = await sendRaw(port, jsonPost('/own', '{}', `Expect: ${expectation}\r\n`))
    t.match(response, { text: /^HTTP\/1.1 417 [\s\S]*expectation_failed/, closed: true }, expectation)
  }
  t.match(await sendRaw(port, jsonPost('/own', '{}', 'Expect: 100-continue\r\nExpect: 100-continue\r\n')), {
    text: /^HTTP\/1.1 400 /,
    closed: true,
  })
  t.same(ownBodies, [])
})

t.test('every refusal is a problem with a request id, whoever found the fault', async (t) => {
  const { app, port } = await startGateway([])
  t.teardown(() => app.close())
  const requests = [
    'GET /own HTTP/1.1\r\n\r\n',
    'GET /own HTTP/1.1\r\nHost: x\r\nBad Field: y\r\n\r\n',
    'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    'GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
    `GET /own HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`,
  ]
  for (const request of requests) {
    const { text } = await sendRaw(port, request)
    const body: unknown = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))
    t.match(
      body,
      {
        type: /^urn:cardea:problem:/,
        title: String,
        status: statusesIn(text)[0],
        code: String,
        request_id: /^[\w-]{3,}$/,
      },
      request.slice(0, 40),
    )
    t.match(text, /x-content-type-options: nosniff/i)
    t.notMatch(text, /stack|node_modules|FST_|HPE_/)
  }
})

t.test('a body of an own route beyond the limit is 413 and is not read on', async (t) => {
  const { app, port, ownBodies } = await startGateway([], { limits: { bodyBytes: 64 } })
  t.teardown(() => app.close())
  const declared = await sendRaw(
    port,
    'POST /own HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{',
  )
  t.match(declared, { text: /^HTTP\/1.1 413 /, closed: true })
  const grown = await sendRaw(
    port,
    `POST /own HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n${' '.repeat(80)}\r\n`,
  )
  t.match(grown, { text: /^HTTP\/1.1 413 /, closed: true })
  t.same(ownBodies, [])
})

t.test('a refused request whose short body arrived keeps its connection', async (t) => {
  const { app, port } = await startGateway([{ prefix: '/x', upstream: 'http://127.0.0.1:1' }])
  t.teardown(() => app.close())
  const { text } = await sendRaw(port, jsonPost('/x', '{"a":1}') + jsonPost('/x', '{}', 'Connection: close\r\n'))
  t.same(statusesIn(text), [401, 401])
})

t.test('fields that arrive too slowly, and a body that arrives too slowly, are 408', async (t) => {
  const { app, port } = await startGateway([], { limits: { headersTimeoutMs: 100, requestTimeoutMs: 400 } })
  t.teardown(() => app.close())
  t.match(await sendRaw(port, 'GET /own HTTP/1.1\r\nHost: x\r\nX: '), {
    text: /^HTTP\/1.1 408 [\s\S]*request_timeout/,
    closed: true,
  })
  const slow = openRaw(port)
  slow.socket.write('POST /own HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n')
  await drip(slow.socket, ' ', () => slow.closed)
  t.match(slow.text, /^HTTP\/1.1 408 /)
})

t.test('a silent connection is closed, before its first request and between two', async (t) => {
  const { app, port } = await startGateway([], {
    limits: { headersTimeoutMs: 100, requestTimeoutMs: 200, keepAliveTimeoutMs: 100 },
  })
  t.teardown(() => app.close())
  t.match(await sendRaw(port, []), { closed: true })
  t.match(await sendRaw(port, 'GET /own HTTP/1.1\r\nHost: x\r\n\r\n'), { text: /^HTTP\/1.1 200 /, closed: true })
})

t.test('the idle limit does not end a request that waits for a service', async (t) => {
  const upstream = await startStreamingUpstream((_request, response) => {
    later(500, () => response.end('late'))
  })
  const { app, port } = await startGateway([{ prefix: '/x', upstream: upstream.url, policy: 'public' }], {
    limits: { headersTimeoutMs: 100, requestTimeoutMs: 150 },
  })
  t.teardown(async () => {
    await app.close()
    await upstream.close()
  })
  const { text } = await sendRaw(port, 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.match(text, /late/)
})

t.test('nothing is written into the response that a broken follower interrupts', async (t) => {
  const upstream = await startStreamingUpstream((_request, response) => {
    response.writeHead(200, { 'content-length': 9 }).write('begin')
    later(100, () => response.end('-end'))
  })
  const { app, port } = await startGateway([{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  t.teardown(async () => {
    await app.close()
    await upstream.close()
  })
  const { text, closed } = await sendRaw(port, ['GET /x HTTP/1.1\r\nHost: x\r\n\r\n', 'nonsense\r\n\r\n'])
  t.match(text, /begin-endHTTP\/1\.1 400 /)
  t.ok(closed)
})

t.test('absolute-form is seen as its path by everything behind the guard', async (t) => {
  const upstream = await startFakeUpstream()
  const { app, port } = await startGateway([{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  t.teardown(async () => {
    await app.close()
    await upstream.close()
  })
  await sendRaw(port, 'GET http://x/x/1?y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.match(upstream.received, [{ url: '/x/1?y' }])
  t.match((await sendRaw(port, 'GET http://x/own HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).text, /"own":true/)
})

t.test('where many fields are allowed, none is dropped without a word', async (t) => {
  const { app, port } = await startGateway([], { limits: { headerCount: 2000 } })
  t.teardown(() => app.close())
  const { text } = await sendRaw(
    port,
    `GET /own HTTP/1.1\r\n${'a:\r\n'.repeat(1500)}Connection: close\r\nHost: x\r\n\r\n`,
  )
  t.same(statusesIn(text), [200], 'the last field, Host, was seen')
})
