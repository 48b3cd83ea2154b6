// Requests as they leave: their framing comes from the body alone, and nothing in them ends a line early.
import { Readable } from 'node:stream'
import t from 'tap'
import type { OutgoingRequest } from '../../../../plugins/forward/client/call.ts'
import { requestHead } from '../../../../plugins/forward/client/request-head.ts'

const plain: OutgoingRequest = { method: 'GET', path: '/a?b', fields: ['host', 'h:1'], body: null, bodyBytes: -1 }

t.test('a head is its line, its fields and what frames the body', async (t) => {
  const headOf = (part: Partial<OutgoingRequest>) => requestHead({ ...plain, ...part })
  t.equal(headOf({}), 'GET /a?b HTTP/1.1\r\nhost: h:1\r\n\r\n')
  t.match(headOf({ method: 'POST' }), /\r\ncontent-length: 0\r\n\r\n$/)
  t.match(headOf({ method: 'POST', body: Buffer.from('abc') }), /\r\ncontent-length: 3\r\n\r\n$/)
  t.match(headOf({ method: 'PUT', body: Readable.from([]), bodyBytes: 7 }), /\r\ncontent-length: 7\r\n\r\n$/)
  t.match(headOf({ method: 'PUT', body: Readable.from([]) }), /\r\ntransfer-encoding: chunked\r\n\r\n$/)
})

t.test('what would end a line early, or be another byte on the wire than it is here, is not sent', async (t) => {
  for (const value of ['a\r\nevil: 1', 'a\rb', 'a\nb', 'a\u0000b', 'v\u010d\u010aevil: 1', '\u20ac', '\u007f']) {
    t.throws(() => requestHead({ ...plain, fields: ['x', value] }), /^unsendable: /m, JSON.stringify(value))
  }
  for (const path of ['/a b', '/a\r\nevil: 1', '/\u010d\u010a', '/\u0000', '']) {
    t.throws(() => requestHead({ ...plain, path }), /^unsendable: /m, JSON.stringify(path))
  }
  t.match(requestHead({ ...plain, fields: ['x', 'caf\u00e9\t1'] }), /x: caf\u00e9\t1\r\n/)
})
