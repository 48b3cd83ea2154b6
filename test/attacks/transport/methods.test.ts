// Methods beyond the seven that every route takes: a route forwards those that it names, under a policy of their own, and none
// falls to a shorter prefix. Where a request names a second path, that one is judged as well.
import { METHODS } from 'node:http'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { forwardedMethods, furtherMethods } from '../../../plugins/forward/route/methods.ts'
import { bearer, startGateway } from '../../support/gateway.ts'
import { sendRaw } from '../../support/raw-client.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const roles = ['admin']

async function sceneOf(t: Test, more: RouteConfig[] = []) {
  const service = await startFakeUpstream()
  t.teardown(() => service.close())
  const upstream = service.url
  const webdav = { PROPFIND: 'authenticated', MKCOL: { roles }, COPY: 'authenticated', MOVE: 'authenticated' } as const
  const routes: RouteConfig[] = [
    { prefix: '/dav', upstream, methods: webdav, rewrite: '/files' },
    { prefix: '/dav/staff', upstream, policy: { roles }, methods: { PROPFIND: { roles } } },
    { prefix: '/search', upstream, policy: 'public', methods: { QUERY: 'public', PURGE: { roles } } },
    { prefix: '/plain', upstream, policy: 'public' },
    ...more,
  ]
  const gateway = await startGateway(t, { config: { routes } })
  const alice = bearer(await gateway.signIn()).authorization
  const port = Number(new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 })).port)
  const send = async (line: string, fields: string[] = [], body = '') => {
    service.received.length = 0
    const framing = body === '' ? [] : [`Content-Length: ${body.length}`]
    const head = [`${line} HTTP/1.1`, 'Host: a', 'Connection: close', ...fields, ...framing].join('\r\n')
    const { text } = await sendRaw(port, `${head}\r\n\r\n${body}`)
    return {
      status: Number(text.slice(9, 12)),
      text,
      reached: service.received.map((one) => `${one.method} ${one.url}`),
    }
  }
  return { gateway, service, send, asAlice: `Authorization: ${alice}`, alice }
}

t.test('a method that a route names goes to its service with its body, under its own policy', async (t) => {
  const { service, send, asAlice } = await sceneOf(t)
  const xml = '<propfind/>'
  t.match(await send('PROPFIND /dav/a', ['Depth: 1', 'Content-Type: application/xml', asAlice], xml), {
    status: 200,
    reached: ['PROPFIND /files/a'],
  })
  t.match(service.received, [{ body: xml, headers: { depth: '1', 'content-type': 'application/xml' } }])
  t.match(await send('PROPFIND /dav/a'), { status: 401, reached: [] })
  t.match(await send('MKCOL /dav/new', [asAlice]), { status: 403, reached: [] })
  t.match(await send('QUERY /search?x', ['Content-Type: application/sql'], 'select'), {
    status: 200,
    reached: ['QUERY /search?x'],
  })
  t.match(service.received, [{ body: 'select' }])
  t.match(await send('QUERY /search', [], 'no type at all'), { status: 200, reached: ['QUERY /search'] })
  t.match(await send('PURGE /search/a', [asAlice]), { status: 403, reached: [] })
})

t.test('a method that a route does not name is 405 there, and falls to no shorter prefix', async (t) => {
  const everything: RouteConfig = {
    prefix: '/',
    upstream: 'http://127.0.0.1:9',
    policy: 'public',
    methods: { PURGE: 'public', PROPFIND: 'public', REPORT: 'public', MKCOL: 'public' },
  }
  const { send, asAlice } = await sceneOf(t, [everything])
  for (const line of ['PURGE /plain/a', 'REPORT /dav/a', 'PROPFIND /plain', 'MKCOL /dav/staff/x']) {
    const { status, reached, text } = await send(line, [asAlice])
    t.match({ status, reached }, { status: 405, reached: [] }, line)
    t.match(text, /\r\nallow: (?:COPY, )?DELETE, GET, HEAD, /i, line)
  }
  for (const line of ['PURGE /auth/login', 'PROPFIND /admin/users', 'REPORT /livez', 'PURGE /metrics']) {
    t.match(await send(line, [asAlice]), { status: 404, reached: [] }, line)
  }
  t.match(await send('PURGE /a', [asAlice]), { status: 502 })
})

t.test('a method that no route names, and one that none may name, is 501', async (t) => {
  const { send, asAlice } = await sceneOf(t)
  for (const line of ['LOCK /dav/a', 'TRACE /dav/a', 'SEARCH /search', 'FOO /search', 'propfind /dav/a']) {
    t.match(await send(line, [asAlice]), { status: 501, reached: [] }, line)
  }
  t.match(await send('PROPFIND /nowhere', [asAlice]), { status: 501, reached: [] })
})

t.test('every method that Node’s parser reads can be named, but CONNECT and TRACE', (t) => {
  const nameable: readonly string[] = [...forwardedMethods, ...furtherMethods]
  t.same(
    METHODS.filter((method) => !nameable.includes(method)),
    ['CONNECT', 'TRACE'],
  )
  t.same(
    nameable.filter((method) => !METHODS.includes(method)),
    [],
  )
  t.end()
})

t.test(
  'the Destination of COPY and MOVE leads where the route leads, and is sent as the service knows it',
  async (t) => {
    const { service, send, asAlice } = await sceneOf(t)
    for (const [destination, sent] of [
      ['/dav/b', '/files/b'],
      ['http://a/dav/b/', '/files/b/'],
      ['http://127.0.0.1:1/dav/%7Ex%20y', '/files/~x%20y'],
      ['https://gateway.test/dav', '/files'],
    ] as const) {
      const { status, reached } = await send('MOVE /dav/a', [`Destination: ${destination}`, 'Overwrite: F', asAlice])
      t.strictSame({ status, reached }, { status: 200, reached: ['MOVE /files/a'] }, destination)
      t.match(service.received, [{ headers: { destination: sent, overwrite: 'F' } }], destination)
    }
    t.match(await send('COPY /dav/a', [asAlice]), { status: 200 }, 'none is the service’s to refuse')
  },
)

t.test('a Destination that leads elsewhere, or that two readers read differently, is refused', async (t) => {
  const { gateway, send, asAlice, alice } = await sceneOf(t)
  const refused: [string, number][] = [
    ['/dav/staff/x', 403],
    ['http://a/dav/staff', 403],
    ['/plain/x', 403],
    ['/davx', 403],
    ['/auth/login', 403],
    ['/nowhere', 403],
    ['http://elsewhere.test/dav/b', 403],
    ['http://a.evil.test/dav/b', 403],
    ['http://u@a/dav/b', 403],
    ['http:///dav/b', 403],
    ['/dav/../plain', 400],
    ['/dav/%2e%2e/plain', 400],
    ['/dav/STAFF/x', 400],
    ['/dav/x%2Fy', 400],
    ['//a/dav/b', 400],
    ['dav/b', 400],
    ['/dav/b#c', 400],
    ['ftp://a/dav/b', 400],
    ['', 400],
  ]
  for (const [destination, expected] of refused) {
    const { status, reached } = await send('COPY /dav/a', [`Destination: ${destination}`, asAlice])
    t.strictSame({ status, reached }, { status: expected, reached: [] }, destination)
    const asked = { 'x-original-uri': '/dav/a', 'x-original-method': 'COPY', authorization: alice, destination }
    t.match(await gateway.app.inject({ url: '/auth/verify', headers: asked }), { statusCode: 403 }, destination)
  }
  const twice = ['Destination: /dav/b', 'destination: /dav/staff/b', asAlice]
  t.match(await send('COPY /dav/a', twice), { status: 400, reached: [] })
  t.match(await send('PUT /dav/a', ['Destination: /elsewhere', asAlice], 'x'), { status: 200 }, 'means nothing there')
})

t.test('a proxy that asks hears of the same methods', async (t) => {
  const { gateway, alice } = await sceneOf(t)
  const ask = async (method: string, target: string, more: Record<string, string> = {}) => {
    const named = { 'x-original-uri': target, 'x-original-method': method, authorization: alice, ...more }
    return (await gateway.app.inject({ url: '/auth/verify', headers: named })).statusCode
  }
  t.equal(await ask('PROPFIND', '/dav/a'), 200)
  t.equal(await ask('MKCOL', '/dav/a'), 403)
  t.equal(await ask('PROPFIND', '/plain'), 403)
  t.equal(await ask('LOCK', '/dav/a'), 403)
  t.equal(await ask('MOVE', '/dav/a', { destination: '/dav/b' }), 200)
  t.equal(await ask('MOVE', '/dav/a'), 403, 'where it leads to was not passed on')
  const envoy = { url: '/auth/verify/dav/a', headers: { authorization: alice } }
  // Boundary of the test: a method that the types of inject do not know.
  t.match(await gateway.app.inject({ method: 'PROPFIND' as 'GET', ...envoy }), { statusCode: 200 })
  // Boundary of the test: the same.
  t.match(await gateway.app.inject({ method: 'MKCOL' as 'GET', ...envoy }), { statusCode: 403 })
})

t.test('pages of an allowed origin are told of the methods that routes name', async (t) => {
  const { send } = await sceneOf(t)
  const asked = await send('OPTIONS /dav/a', ['Origin: https://x.test', 'Access-Control-Request-Method: PROPFIND'])
  t.notMatch(asked.text, /access-control-allow-methods/i, 'of no other origin')
})
