// What a page of a listed origin may read: every response, the refusals that come before or outside of all hooks too; and what a
// page of another origin may read: nothing.
import t, { type Test } from 'tap'
import { type GatewayOverrides, password, startGateway } from '../../support/gateway.ts'
import { sendRaw } from '../../support/raw-client.ts'

const listed = [
  'https://app.friend.test',
  'capacitor://localhost',
  `chrome-extension://${'abcdefghijklmnop'.repeat(2)}`,
]
const [friend = ''] = listed
const foreign = 'https://evil.test'
const exposed = /Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id, Location, ETag/

async function listen(t: Test, config: GatewayOverrides['config'] = {}) {
  const gateway = await startGateway(t, { config: { allowedOrigins: listed, ...config } })
  await gateway.app.listen({ host: '127.0.0.1', port: 0 })
  return { ...gateway, port: Number(new URL(gateway.app.listeningOrigin).port) }
}

// Fields of a raw response, by lower-case name.
function fieldsOf(text: string): Map<string, string> {
  const [head = ''] = text.split('\r\n\r\n', 1)
  const lines = head.split('\r\n').slice(1)
  return new Map(lines.map((line) => [line.split(':', 1)[0]?.toLowerCase() ?? '', line.replace(/^[^:]*: ?/, '')]))
}

const get = (origin: string, target: string, more = '') =>
  `GET ${target} HTTP/1.1\r\nHost: localhost\r\nOrigin: ${origin}\r\n${more}\r\n`

const refusals: [what: string, status: number, request: (origin: string) => string][] = [
  ['a path that is not canonical', 400, (origin) => get(origin, '/a//b')],
  ['an escape that decodes to nothing', 400, (origin) => get(origin, '/a/%c3%28')],
  ['a method that nobody knows', 501, (origin) => get(origin, '/a').replace('GET', 'SPELL')],
  ['a target that is too long', 414, (origin) => get(origin, `/${'a'.repeat(10_000)}`)],
  ['a target beyond all fields', 414, (origin) => get(origin, `/${'a'.repeat(20_000)}`)],
  ['too many cookies', 431, (origin) => get(origin, '/a', `Cookie: ${'a=b; '.repeat(5000)}\r\n`)],
  ['too many fields', 431, (origin) => get(origin, '/a', 'X: y\r\n'.repeat(200))],
  ['a field that is none', 400, (origin) => get(origin, '/a', 'no colon\r\n')],
  [
    'a body whose framing is broken',
    400,
    (origin) => get(origin, '/auth/login', 'Transfer-Encoding: chunked\r\n').replace('GET', 'POST').concat('zz\r\n'),
  ],
  ['another host', 421, (origin) => get(origin, '/a').replace('localhost', 'elsewhere')],
  ['nothing there', 404, (origin) => get(origin, '/nowhere')],
]

t.test('a page of a listed origin reads every refusal, one of another origin none', async (t) => {
  const { port } = await listen(t)
  for (const [what, status, request] of refusals) {
    for (const origin of listed) {
      const { text } = await sendRaw(port, request(origin), { until: (text) => text.includes('"request_id"') })
      t.match(text, new RegExp(`^HTTP/1.1 ${status} `), what)
      const fields = fieldsOf(text)
      t.equal(fields.get('access-control-allow-origin'), origin, `${what} ${origin}`)
      t.equal(fields.get('access-control-allow-credentials'), 'true', what)
      t.match(fields.get('access-control-expose-headers'), exposed, what)
      t.match(fields.get('vary'), /\bOrigin\b/i, what)
    }
    const { text } = await sendRaw(port, request(foreign), { until: (text) => text.includes('"request_id"') })
    t.equal(fieldsOf(text).get('access-control-allow-origin'), undefined, what)
  }
})

t.test('an origin on the list that only begins like it, or stands in another field, is not it', async (t) => {
  const { port } = await listen(t)
  const cookies = `Cookie: ${'a=b; '.repeat(5000)}\r\n`
  for (const line of [`Origin: ${friend}.evil.test`, `X-Origin: ${friend}`, `Origin : ${friend}`]) {
    const request = `GET /a HTTP/1.1\r\nHost: localhost\r\n${line}\r\n${cookies}\r\n`
    const { text } = await sendRaw(port, request, { until: (text) => text.includes('"request_id"') })
    t.match(text, /^HTTP\/1.1 4/)
    t.equal(fieldsOf(text).get('access-control-allow-origin'), undefined, line)
  }
})

t.test('scripts may read the fields that tell when to come back and what is wrong', async (t) => {
  const { app } = await listen(t)
  for (const url of ['/auth/sessions', '/livez']) {
    const { headers } = await app.inject({ url, headers: { origin: friend } })
    t.match(headers['access-control-expose-headers'], exposed, url)
  }
  const { headers } = await app.inject({ url: '/livez', headers: { origin: foreign } })
  t.equal(headers['access-control-expose-headers'], undefined)
})

t.test('without a list there is no field of CORS, and no Vary', async (t) => {
  const { app } = await startGateway(t)
  const { headers } = await app.inject({ url: '/livez', headers: { origin: friend } })
  t.same(
    Object.keys(headers).filter((name) => /^access-control-|^vary$/.test(name)),
    [],
  )
})

t.test('a preflight names the methods that routes name', async (t) => {
  const { app } = await startGateway(t, {
    config: {
      allowedOrigins: listed,
      routes: [
        { prefix: '/files', upstream: 'http://127.0.0.1:9', policy: 'public', methods: { DELETE: 'authenticated' } },
      ],
    },
  })
  const headers = { origin: friend, 'access-control-request-method': 'DELETE' }
  const { headers: given } = await app.inject({ method: 'OPTIONS', url: '/files/1', headers })
  t.equal(given['access-control-allow-origin'], friend)
  t.match(given['access-control-allow-methods'], 'DELETE')
})

t.test('an app in a web view and an extension sign in by cookie where they are listed', async (t) => {
  const { post } = await listen(t)
  for (const origin of listed) {
    for (const site of ['cross-site', 'none']) {
      const headers = { origin, 'sec-fetch-site': site }
      const login = await post('/auth/login', { username: 'alice', password }, { headers })
      t.equal(login.statusCode, 200, `${origin} ${site}`)
    }
  }
})
