// The fields that decide about framing and way, as the gateway itself reads them: Node's parser refuses most of what is refused
// here, so over the wire (transport/framing.test.ts) nobody can tell whose rule it was. A later parser may be milder.
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { checkFields, isHost } from '../../../plugins/http-edge/request-headers.ts'

const check = (fields: string[][], version: [number, number] = [1, 1], mayLackHost?: boolean) => {
  const [httpVersionMajor, httpVersionMinor] = version
  // Boundary of the test: of a message only these are read.
  const raw = { rawHeaders: fields.flat(), httpVersionMajor, httpVersionMinor } as unknown as IncomingMessage
  return checkFields(raw, 10, mayLackHost)
}
const host = ['Host', 'gateway']

t.test('what leaves the end of a message in doubt is 400 and the end of the connection', async (t) => {
  const doubtful: [string, string[][], [number, number]?][] = [
    [
      'content_length_and_transfer_encoding',
      [
        ['Content-Length', '3'],
        ['Transfer-Encoding', 'chunked'],
      ],
    ],
    [
      'content_length_repeated',
      [
        ['Content-Length', '3'],
        ['CONTENT-LENGTH', '3'],
      ],
    ],
    ['content_length', [['Content-Length', '3, 3']]],
    ['content_length', [['Content-Length', '+3']]],
    ['content_length', [['Content-Length', '0x3']]],
    ['content_length', [['Content-Length', '']]],
    ['transfer_encoding', [['Transfer-Encoding', 'gzip, chunked']]],
    ['transfer_encoding', [['Transfer-Encoding', 'Chunked']]],
    [
      'transfer_encoding_repeated',
      [
        ['Transfer-Encoding', 'chunked'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    ['transfer_encoding_version', [['Transfer-Encoding', 'chunked']], [1, 0]],
    ['http_version', [], [2, 0]],
    ['host_repeated', [['host', 'gateway']]],
    [
      'expect_repeated',
      [
        ['Expect', '100-continue'],
        ['Expect', '100-continue'],
      ],
    ],
  ]
  for (const [detail, fields, version] of doubtful) {
    const problem = { code: 'invalid_request', detail, headers: { connection: 'close' } }
    t.throws(() => check([host, ...fields], version), problem, detail)
  }
  t.throws(() => check([]), { code: 'invalid_request', message: 'host_missing' })
})

t.test('only HTTP/1.0 may have no Host, and only where the caller says so', async (t) => {
  const missing = { code: 'invalid_request', message: 'host_missing' }
  t.equal(check([], [1, 0], true).host, undefined)
  t.throws(() => check([], [1, 0]), missing, 'unless it is said')
  t.throws(() => check([], [1, 1], true), missing)
})

t.test('more fields than allowed are refused, whatever they are', async (t) => {
  const others = Array.from({ length: 9 }, (_, i) => [`X-${i}`, ''])
  t.equal(check([host, ...others]).host, 'gateway')
  t.throws(() => check([host, ...others, ['X', '']]), { code: 'headers_too_large' })
})

t.test('what is in order is told as it stood', async (t) => {
  const fields = [host, ['Expect', '100-continue'], ['Content-Length', '3'], ['Upgrade', 'websocket']]
  t.match(check(fields), { host: 'gateway', expectation: '100-continue', upgrade: 'websocket' })
  t.equal(check([host, ['Upgrade', 'h2c'], ['Upgrade', 'websocket']]).upgrade, 'several')
})

t.test('a Host is a name or an address, and perhaps a port', async (t) => {
  for (const good of ['gateway', 'a.example.', 'a_b.example:8080', '127.0.0.1:1', '[::1]:3000'])
    t.ok(isHost(good), good)
  const bad = [
    '',
    'a b',
    'a/b',
    'user@a',
    'a:b',
    'a:1:2',
    '-a',
    'a%2e',
    'a,b',
    '[::1',
    '::1',
    `${'a'.repeat(262)}`,
    'ä',
  ]
  for (const text of bad) t.notOk(isHost(text), text)
  const longest = 'a'.repeat(261)
  t.ok(isHost(longest), 'as long as a name and a port can be')
  t.ok(isHost(longest), 'the same again')
  t.notOk(isHost(''))
})
