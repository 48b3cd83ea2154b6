// Attacks on the framing of messages, over raw sockets. Each asserts three things: the status, that the connection closes, and
// that nothing of the attack, nor of the request smuggled behind it, reached the service.
import t from 'tap'
import { asAlice } from '../../plugins/forward/gateway.ts'
import { fields, openWire, smuggled } from './wire.ts'

const { attack } = await openWire(t)

function refusesAndCloses(title: string, attacks: Record<string, string | string[]>, status = 400): void {
  t.test(title, async (t) => {
    for (const [name, bytes] of Object.entries(attacks)) {
      const { statuses, closed, reached, text } = await attack(bytes)
      t.same({ statuses, closed, reached }, { statuses: [status], closed: true, reached: [] }, name)
      t.match(text, /content-type: application\/problem\+json/i, `${name}: a problem`)
      t.match(text, /connection: close/i, `${name}: says so`)
    }
  })
}

function post(framing: string, body: string, version = '1.1'): string {
  return `POST /orders/a HTTP/${version}\r\n${fields}${framing}\r\n${body}${smuggled}`
}

refusesAndCloses('a message framed in two ways is refused', {
  'CL.TE': post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'TE.CL': post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '0\r\n\r\n'),
  'CL.TE with CL 0': post('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
})

refusesAndCloses(
  'a Content-Length that is not one number is refused',
  Object.fromEntries(
    [
      '3, 3',
      '3,4',
      '+3',
      '-3',
      '3a',
      '0x3',
      '',
      '3 3',
      '3\t3',
      '3.0',
      '1e1',
      '99999999999999999999',
      '\u00b3',
      '3;',
      '"3"',
    ].map((value) => [`Content-Length: ${value}`, post(`Content-Length: ${value}\r\n`, 'abc')]),
  ),
)

refusesAndCloses('CVE-2026-1525: a repeated Content-Length is refused, equal or not, in any case', {
  equal: post('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'),
  'other case': post('Content-Length: 3\r\ncontent-length: 3\r\n', 'abc'),
  differing: post('Content-Length: 3\r\nContent-Length: 0\r\n', 'abc'),
})

refusesAndCloses(
  'a Transfer-Encoding other than exactly chunked is refused',
  Object.fromEntries(
    [
      'Chunked',
      'CHUNKED',
      'xchunked',
      'chunked, identity',
      'identity',
      'identity, chunked',
      'gzip, chunked',
      'chunked, chunked',
      ',chunked',
      'chunked,',
      'chunked;q=1',
      '"chunked"',
      'chunked\u00a0',
      '\u000bchunked',
      '',
    ].map((value) => [
      `Transfer-Encoding: ${JSON.stringify(value)}`,
      post(`Transfer-Encoding: ${value}\r\n`, '0\r\n\r\n'),
    ]),
  ),
)

refusesAndCloses('Transfer-Encoding twice, folded, or in HTTP/1.0 is refused', {
  twice: post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'twice, one other': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '0\r\n\r\n'),
  folded: post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'),
  'HTTP/1.0': post('Transfer-Encoding: chunked\r\n', '0\r\n\r\n', '1.0'),
})

refusesAndCloses('field lines that parsers read differently are refused', {
  'bare LF': `GET /orders/a HTTP/1.1\r\n${fields}X: a\nContent-Length: 3\r\n\r\n${smuggled}`,
  'bare CR': `GET /orders/a HTTP/1.1\r\n${fields}X: a\rContent-Length: 3\r\n\r\n${smuggled}`,
  'LF as line end everywhere': `GET /orders/a HTTP/1.1\n${fields.replaceAll('\r', '')}\n${smuggled}`,
  NUL: `GET /orders/a HTTP/1.1\r\n${fields}X: a\u0000b\r\n\r\n${smuggled}`,
  'control character': `GET /orders/a HTTP/1.1\r\n${fields}X: a\u0001b\r\n\r\n${smuggled}`,
  'obs-fold': `GET /orders/a HTTP/1.1\r\n${fields}X: a\r\n b\r\n\r\n${smuggled}`,
  'blank before colon': `GET /orders/a HTTP/1.1\r\n${fields}X : a\r\n\r\n${smuggled}`,
  'tab before colon': `GET /orders/a HTTP/1.1\r\n${fields}X\t: a\r\n\r\n${smuggled}`,
  'blank before colon of Content-Length': post('Content-Length : 3\r\n', 'abc'),
  'empty name': `GET /orders/a HTTP/1.1\r\n${fields}: a\r\n\r\n${smuggled}`,
  'no colon': `GET /orders/a HTTP/1.1\r\n${fields}X\r\n\r\n${smuggled}`,
  'blank before the first name': `GET /orders/a HTTP/1.1\r\n X: a\r\n${fields}\r\n${smuggled}`,
  'sign in a name': `GET /orders/a HTTP/1.1\r\n${fields}X(y): a\r\n\r\n${smuggled}`,
  'non-ASCII name': `GET /orders/a HTTP/1.1\r\n${fields}X\u00e9: a\r\n\r\n${smuggled}`,
  'CR as the end of the head': `GET /orders/a HTTP/1.1\r\n${fields}\rX: y\r\n\r\n${smuggled}`,
})

refusesAndCloses('chunks that parsers read differently are refused', {
  'size that is no number': post('Transfer-Encoding: chunked\r\n', 'zz\r\nabc\r\n0\r\n\r\n'),
  'size with a sign': post('Transfer-Encoding: chunked\r\n', '+3\r\nabc\r\n0\r\n\r\n'),
  'size with 0x': post('Transfer-Encoding: chunked\r\n', '0x3\r\nabc\r\n0\r\n\r\n'),
  'bare LF after the size': post('Transfer-Encoding: chunked\r\n', '3\nabc\r\n0\r\n\r\n'),
  'bare LF after the data': post('Transfer-Encoding: chunked\r\n', '3\r\nabc\n0\r\n\r\n'),
  'data longer than its size': post('Transfer-Encoding: chunked\r\n', '2\r\nabc\r\n0\r\n\r\n'),
  'bare LF in an extension': post('Transfer-Encoding: chunked\r\n', '3;a\nb\r\nabc\r\n0\r\n\r\n'),
  'huge size': post('Transfer-Encoding: chunked\r\n', 'ffffffffffffffffff\r\nabc\r\n0\r\n\r\n'),
})

refusesAndCloses('request lines that are none are refused', {
  'blank in the target': `GET /orders/a b HTTP/1.1\r\n${fields}\r\n`,
  'tab in the target': `GET /orders/a\tb HTTP/1.1\r\n${fields}\r\n`,
  'HTTP/1.2': `GET /orders/a HTTP/1.2\r\n${fields}\r\n`,
  'HTTP/0.9': `GET /orders/a HTTP/0.9\r\n${fields}\r\n`,
  'HTTP/2.0': `GET /orders/a HTTP/2.0\r\n${fields}\r\n`,
  'HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  TLS: '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
  'non-ASCII target': `GET /orders/\u00e9 HTTP/1.1\r\n${fields}\r\n`,
})

refusesAndCloses('a request names exactly one host, well formed', {
  missing: `GET /orders/a HTTP/1.1\r\n${asAlice}\r\n\r\n`,
  'missing in HTTP/1.0': `GET /orders/a HTTP/1.0\r\n${asAlice}\r\n\r\n`,
  repeated: `GET /orders/a HTTP/1.1\r\n${fields}Host: gateway\r\n\r\n`,
  'repeated in other case': `GET /orders/a HTTP/1.1\r\n${fields}hOsT: evil\r\n\r\n`,
  ...Object.fromEntries(
    [
      '',
      'a b',
      'a/b',
      'user@gateway',
      'a,b',
      '[::1',
      '::1',
      'a:b',
      'a:1:2',
      'a:',
      'a:123456',
      'http://gateway',
      'gateway#',
      'gateway?',
      'gateway\\',
      '%67ateway',
      '\u00e9',
      '-gateway',
      "a'b",
    ].map((host) => [`Host: ${host}`, `GET /orders/a HTTP/1.1\r\nHost: ${host}\r\n${asAlice}\r\n\r\n`]),
  ),
})
