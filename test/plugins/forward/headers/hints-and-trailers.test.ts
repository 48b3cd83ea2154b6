// Tests of what comes before a response and behind it, over raw sockets: interim responses and trailers, and who is told of them.
import t from 'tap'
import { eventually } from '../../../support/eventually.ts'
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

t.test('interim responses pass as the service sent them, and to HTTP/1.0 none does', async (t) => {
  const interim = [
    'HTTP/1.1 102 Processing\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload, </b.js>; rel=preload; title="a b"\r\nx: y\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nlink: <https://a.test/?a,b;c>; rel="preload stylesheet"; as=style\r\n\r\n',
    'HTTP/1.1 104 Upload Resumption Supported\r\nupload-offset: 7\r\nlocation: /up/1\r\n\r\n',
    'HTTP/1.1 199 \r\n\r\n',
  ].join('')
  const { text } = await respondedWith(t, `HTTP/1.1 100 Continue\r\n\r\n${interim}${response}`)
  t.ok(text.startsWith(`${interim}HTTP/1.1 200 OK\r\n`), text)
  t.match(text, /hi$/)
  const older = await respondedWith(t, interim + response, 'GET /x HTTP/1.0')
  t.match(older.text, /^HTTP\/1\.1 200 OK\r\n/, 'to HTTP/1.0 they would be the response')
})

t.test('an interim response cannot say what the gateway says, nor what is the connection’s', async (t) => {
  const fields = [
    'Set-Cookie: __Host-cardea_refresh=x',
    'Set-Cookie: a=1',
    'Connection: X-Secret',
    'X-Secret: 1',
    'Content-Length: 9',
    'X-Request-Id: theirs',
    'Clear-Site-Data: "*"',
    'X-Accel-Redirect: /x',
    'Alt-Svc: h3',
    'Link: </a>',
  ]
  const { text } = await respondedWith(t, `HTTP/1.1 103 Hints\r\n${fields.join('\r\n')}\r\n\r\n${response}`)
  t.ok(text.startsWith('HTTP/1.1 103 Hints\r\nset-cookie: a=1\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n'), text)
})

t.test('of a pipelined request an interim response never comes into the response before it', async (t) => {
  const service = await startRawUpstream((socket, head) => {
    if (head.includes('/x/second')) socket.write(`HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n${response}`, 'latin1')
    else void eventually('the second one is here', () => service.heads.length === 2).then(() => socket.write(response))
  })
  t.teardown(() => service.close())
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: service.url, policy: 'public' }])
  const requests = ['/x/first', '/x/second'].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const { text } = await sendRaw(port, requests.join(''), { until: (text) => text.split('hi').length === 3 })
  t.notMatch(text, /103/)
})
