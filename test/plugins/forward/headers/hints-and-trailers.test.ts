// Tests of what comes before a response and behind it, over raw sockets: early hints and trailers, and who is told of them.
import t from 'tap'
import { sendRaw } from '../../../support/raw-client.ts'
import { startRawUpstream } from '../../../support/upstream.ts'
import { gatewayFor } from '../gateway.ts'

async function respondedWith(t: Parameters<typeof gatewayFor>[0], response: string, ...requestLines: string[]) {
  const service = await startRawUpstream((socket) => void socket.write(response, 'latin1'))
  t.teardown(() => service.close())
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: service.url, policy: 'public' }])
  const [line = 'GET /x HTTP/1.1', ...fields] = requestLines
  const head = [line, 'Host: x', ...fields, 'Connection: close', '', ''].join('\r\n')
  const { text } = await sendRaw(port, head)
  return { text, sent: service.heads[0] ?? '' }
}

const trailing =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\n' +
  'X-Sum: 42\r\nSet-Cookie: a=1\r\nContent-Length: 9\r\nX-Auth-Subject: root\r\nConnection: x\r\nLocation: /evil\r\n\r\n'

t.test('trailers pass to a client that takes them, but for those that belong into a head', async (t) => {
  const { text, sent } = await respondedWith(t, trailing, 'GET /x HTTP/1.1', 'TE: gzip, Trailers')
  t.match(sent, /\r\nte: trailers\r\n/, 'the service is told')
  t.match(text, /\r\n2\r\nhi\r\n0\r\nx-sum: 42\r\n\r\n$/i)
  t.notMatch(text, /a=1|root|evil/)
})

t.test('trailers end here for a client that has not asked, or cannot', async (t) => {
  for (const request of [['GET /x HTTP/1.1'], ['GET /x HTTP/1.1', 'TE: gzip'], ['GET /x HTTP/1.0', 'TE: trailers']]) {
    const { text, sent } = await respondedWith(t, trailing, ...request)
    t.match(text, /hi/)
    t.notMatch(text, /x-sum: 42/i)
    t.notMatch(sent, /trailers/i)
  }
})

const response = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'

t.test('links of early hints pass, and nothing else of an interim response', async (t) => {
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: a=1\r\nX: y\r\n\r\n'
  const { text } = await respondedWith(t, `HTTP/1.1 102 Processing\r\n\r\n${hints}${response}`)
  t.match(text, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*hi$/)
  const older = await respondedWith(t, hints + response, 'GET /x HTTP/1.0')
  t.match(older.text, /^HTTP\/1\.1 200 OK\r\n/, 'to HTTP/1.0 they would be the response')
})

t.test('hints that are none are left out, and the response follows', async (t) => {
  const { text } = await respondedWith(t, `HTTP/1.1 103 Early Hints\r\nLink: no link\r\n\r\n${response}`)
  t.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hi$/)
})
