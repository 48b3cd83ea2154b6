// Tests of a response's bytes: what a service says in its head reaches the client as it said it.
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { sendRaw } from '../../support/raw-client.ts'
import { startRawUpstream } from '../../support/upstream.ts'
import { gatewayFor } from './gateway.ts'

/** What a client gets, as latin1, of a service that sends these parts; the second one when `isHeadOut`. */
async function received(
  t: Test,
  parts: string[],
  request = 'GET /x HTTP/1.1',
  before: (app: FastifyInstance) => void = () => {},
  options: Partial<RouteConfig> = {},
): Promise<string> {
  let sendRest: (() => void) | undefined
  const service = await startRawUpstream((socket) => {
    const [first = '', ...rest] = parts
    socket.write(first, 'latin1')
    sendRest = () => void socket.write(rest.join(''), 'latin1')
    if (rest.length === 0) sendRest = undefined
  })
  t.teardown(() => service.close())
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: service.url, policy: 'public', ...options }], {
    before,
  })
  const { text } = await sendRaw(port, `${request}\r\nHost: x\r\nConnection: close\r\n\r\n`, {
    until: (text) => {
      // The rest only when the head is here: it then went out alone.
      if (text.includes('\r\n\r\n')) sendRest?.()
      sendRest = undefined
      return false
    },
  })
  return text
}

const utf8 = (text: string) => Buffer.from(text).toString('latin1')
const names = { latin1: 'na\u00efve.pdf', utf8: utf8('\u65e5\u672c.pdf') }

t.test('a file name in any encoding passes, wherever its field stands and however the body comes', async (t) => {
  for (const [encoding, name] of Object.entries(names)) {
    const file = `Content-Disposition: attachment; filename="${name}"\r\n`
    const heads = {
      'behind the length': [`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${file}\r\nhi`],
      'before the length': [`HTTP/1.1 200 OK\r\n${file}Content-Length: 2\r\n\r\nhi`],
      'in chunks': [`HTTP/1.1 200 OK\r\n${file}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`],
      'alone at first': [`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${file}\r\n`, 'hi'],
      'alone at first, before the length': [`HTTP/1.1 200 OK\r\n${file}Content-Length: 2\r\n\r\n`, 'hi'],
      'without a body': [`HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n${file}\r\n`],
    }
    for (const [title, parts] of Object.entries(heads)) {
      const text = await received(t, parts)
      t.match(text, /^HTTP\/1\.1 (200|304) /, `${encoding}, ${title}`)
      t.ok(text.toLowerCase().includes(file.toLowerCase()), `${encoding}, ${title}: ${JSON.stringify(text)}`)
    }
    const text = await received(t, [`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${file}\r\n`], 'HEAD /x HTTP/1.1')
    t.ok(text.toLowerCase().includes(file.toLowerCase()), `${encoding}, of HEAD`)
  }
})

t.test('every other field passes byte for byte, too, with blanks and empty values', async (t) => {
  const every = Array.from({ length: 128 }, (_, i) => String.fromCharCode(i + 128)).join('')
  const fields = [
    `X-All: ${every}`,
    `Link: </${names.utf8}>; rel=next`,
    'X-Empty:',
    'X-Inner: a \t b',
    'X-Twice: 1',
    'X-Twice: 2',
  ]
  const text = await received(t, [`HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`])
  for (const field of fields) t.ok(text.toLowerCase().includes(`\r\n${field.toLowerCase()}`), field)
  const trailing = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Name: ${names.utf8}\r\n\r\n`
  const withTrailers = await received(t, [trailing], 'GET /x HTTP/1.1\r\nTE: trailers')
  t.ok(withTrailers.includes(names.utf8), 'trailers')
})

t.test('a reason phrase passes as the service wrote it, or left it out', async (t) => {
  for (const reason of ['Fine, Thanks', `H\u00f6chstgrenze`, names.utf8, '']) {
    const text = await received(t, [`HTTP/1.1 200 ${reason}\r\nContent-Length: 0\r\n\r\n`])
    t.equal(text.slice(0, text.indexOf('\r\n')), `HTTP/1.1 200 ${reason}`)
  }
  const bare = await received(t, ['HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n'])
  t.equal(bare.slice(0, bare.indexOf('\r\n')), 'HTTP/1.1 299 ')
})

t.test('a refusal of ours has its own reason phrase, whatever came before it', async (t) => {
  const head = 'HTTP/1.1 200 Nice\r\nContent-Length: 0\r\n\r\n'
  t.match(await received(t, [head.replace('0', 'x')]), /^HTTP\/1\.1 502 Bad Gateway\r\n/)
  // A head that passed all our checks and that Node does not write.
  const before = (app: FastifyInstance) =>
    void app.addHook('onRequest', async (_request, { raw }) => {
      const { writeHead } = raw
      raw.writeHead = (...args: unknown[]) => {
        if (args[1] !== 'Nice') return Reflect.apply(writeHead, raw, args)
        raw.statusMessage = args[1]
        throw new Error('no')
      }
    })
  t.match(await received(t, [head], undefined, before), /^HTTP\/1\.1 502 Bad Gateway\r\n/)
})

t.test('what is no response behind its head is 502, if it came with it; later it breaks off', async (t) => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  for (const body of ['ZZ\r\n', '5\r\nhello\r\nZZ\r\n', '5\r\nhelloXX', '0\r\nno field\r\n\r\n']) {
    const text = await received(t, [chunked + body])
    t.match(text, /^HTTP\/1\.1 502 Bad Gateway\r\n/, JSON.stringify(body))
    t.match(text, /"upstream_bad_response"/)
    t.notMatch(text, /hello/)
  }
  const broken = await received(t, [`${chunked}5\r\nhello\r\n`, 'ZZ\r\n'])
  t.match(broken, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello\r\n$/, 'no last chunk')
})

t.test('a length that is said twice, and chunks in another writing, reach the client in ours', async (t) => {
  const twice = await received(t, ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2, 2\r\n\r\nhi'])
  t.strictSame(twice.match(/content-length: .*/gi), ['content-length: 2'])
  const chunks = await received(t, [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n002 ;a = b\r\nhi\r\n00\r\n\r\n',
  ])
  t.match(chunks, /\r\n\r\n2\r\nhi\r\n0\r\n\r\n$/)
})

t.test('a route says how long the head of a response may be', async (t) => {
  const head = (bytes: number) => `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(bytes)}\r\nContent-Length: 0\r\n\r\n`
  t.match(await received(t, [head(32_000)]), /^HTTP\/1\.1 200 OK\r\n/)
  t.match(await received(t, [head(33_000)]), /^HTTP\/1\.1 502 /)
  t.match(
    await received(t, [head(99_000)], undefined, undefined, { responseHeadBytes: 100_000 }),
    /^HTTP\/1\.1 200 OK\r\n/,
  )
  t.match(await received(t, [head(2000)], undefined, undefined, { responseHeadBytes: 1024 }), /^HTTP\/1\.1 502 /)
})
