// Attacks by a service on the gateway and its clients: answers that are no HTTP, break off, come unasked or claim what is ours.
import t from 'tap'
import { startGateway } from '../../plugins/forward/gateway.ts'
import { eventually } from '../../support/eventually.ts'
import { sendRaw, statusesIn } from '../../support/raw-client.ts'
import { later, startRawUpstream } from '../../support/upstream.ts'

async function respondedWith(response: string | string[], request = 'GET /x HTTP/1.1\r\nHost: gateway\r\n\r\n') {
  const evil = await startRawUpstream((socket) => {
    for (const part of [response].flat()) socket.write(part, 'latin1')
    if (response.includes('X-End')) socket.end()
  })
  const own = await startGateway([
    { prefix: '/x', upstream: evil.url, policy: 'public', timeouts: { headers: '500ms', bodyIdle: '500ms' } },
  ])
  const received = await sendRaw(own.port, request, {
    until: (text) => /\r\n\r\n[\s\S]*(?:\}|\r\n0\r\n\r\n|hi)$/.test(text),
  })
  await own.app.close()
  await evil.close()
  return { ...received, statuses: statusesIn(received.text) }
}

t.test('a response that is not valid HTTP is 502, and nothing of it is passed on', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const length = 'Content-Length: 4\r\n\r\nEVIL'
  const responses: Record<string, string> = {
    'CL and TE': `${ok}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n`,
    'CL twice': `${ok}Content-Length: 5\r\n${length}`,
    'CL twice, other case': `${ok}content-length: 5\r\n${length}`,
    'CL list': `${ok}Content-Length: 4, 5\r\n\r\nEVIL`,
    'other coding': `${ok}X-End: 1\r\nTransfer-Encoding: gzip\r\n\r\nEVIL`,
    'coding over chunked': `${ok}X-End: 1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n`,
    'bare LF': `${ok}X: a\nSet-Cookie: EVIL\r\n${length}`,
    'bare CR': `${ok}X: a\rSet-Cookie: EVIL\r\n${length}`,
    NUL: `${ok}X: a\u0000b\r\n${length}`,
    fold: `${ok}X: a\r\n EVIL\r\n${length}`,
    'blank before colon': `${ok}X : a\r\n${length}`,
    'fields over the limit': `${ok}X: ${'a'.repeat(40_000)}\r\n${length}`,
    garbage: 'EVIL\r\n\r\n',
    'status over 599': `HTTP/1.1 999 Odd\r\n${length}`,
    'status under 100': `HTTP/1.1 099 Odd\r\n${length}`,
    'other version': `HTTP/3.0 200 OK\r\n${length}`,
    'protocol switch': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nEVIL',
  }
  for (const [name, response] of Object.entries(responses)) {
    const { statuses, text } = await respondedWith(response)
    t.same(statuses, [502], name)
    t.match(text, /upstream_bad_response/, name)
    t.notMatch(text, /EVIL/, name)
  }
})

t.test('a body that breaks off reaches the client as a broken message', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nX-End: 1\r\n'
  for (const response of [
    `${head}Content-Length: 10\r\n\r\nhal`,
    `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhal`,
    `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n`,
  ]) {
    const { text, closed } = await respondedWith(response)
    t.ok(closed)
    t.notMatch(text, /\r\n0\r\n/, 'no last chunk is made up')
    t.match(text, /content-length: 10|transfer-encoding: chunked/i)
  }
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n`
  const { text, reset } = await respondedWith(chunked, 'GET /x HTTP/1.0\r\nHost: gateway\r\n\r\n')
  t.match(text, /hal$/, 'which to HTTP/1.0 has no length')
  t.ok(reset, 'so that its end would be the message’s, were it no reset')
})

t.test('CVE-2026-48931: bytes that a service sends unasked destroy its connection and answer nobody', async (t) => {
  const evil = await startRawUpstream((socket, head) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood')
    if (head.includes('/x/first')) later(20, () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL'))
    if (head.includes('/x/glued')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL')
  })
  const own = await startGateway([{ prefix: '/x', upstream: evil.url, policy: 'public' }])
  t.teardown(async () => {
    await own.app.close()
    await evil.close()
  })
  for (const path of ['/x/first', '/x/glued']) {
    const before = evil.connections.length
    t.equal(await (await fetch(own.url + path)).text(), 'good')
    await eventually('its connection is destroyed', () =>
      evil.connections.slice(before === 0 ? 0 : before - 1).every((socket) => socket.destroyed),
    )
    t.equal(await (await fetch(`${own.url}/x/next`)).text(), 'good', 'the next request has its own response')
  }
})

t.test('a service that sets or clears the refresh cookie does not', async (t) => {
  const { text } = await respondedWith(
    'HTTP/1.1 200 OK\r\nSet-Cookie: __Host-cardea_refresh=EVIL; Path=/; Secure\r\nset-cookie: =__HOST-cardea_refresh=EVIL\r\nSet-Cookie: fine=1\r\nContent-Length: 2\r\n\r\nhi',
  )
  t.notMatch(text, /EVIL/)
  t.match(text, /set-cookie: fine=1/)
})

t.test('fields of the connection, nominated ones and odd names of a service change nothing', async (t) => {
  const { text, statuses } = await respondedWith(
    'HTTP/1.1 200 OK\r\nConnection: X-Secret, via\r\nX-Secret: EVIL\r\nProxy-Authenticate: EVIL\r\nKeep-Alive: timeout=999\r\n__proto__: a\r\nconstructor: b\r\nContent-Length: 2\r\n\r\nhi',
  )
  t.same(statuses, [200])
  t.notMatch(text, /EVIL|999/)
  t.match(text, /constructor: b/)
})
