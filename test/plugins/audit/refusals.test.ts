// Tests of what is kept of a refusal: whatever the client was refused and wherever, the request id that it was shown leads, at
// the default level, to one line of the log and one event, with the method, the route and what was lacking.
import type { AddressInfo } from 'node:net'
import type { InjectOptions } from 'fastify'
import { pino } from 'pino'
import t from 'tap'
import { Audit } from '../../../plugins/audit/index.ts'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { bearer, type LogLine, startGateway, type TestGateway } from '../../support/gateway.ts'
import { freePort } from '../../support/processes/free-port.ts'
import { sendRaw } from '../../support/raw-client.ts'

const info = 30

/** The lines and events of a request id. */
async function found({ app, log, signIn }: TestGateway, id: string) {
  const lines = log.filter(({ reqId, level, event }) => reqId === id && Number(level) >= info && event !== undefined)
  await app.auditTrail.recorder.flush()
  const headers = bearer(await signIn('root'))
  const page = await app.inject({ url: `/admin/events?request_id=${id}`, headers })
  return { lines, events: page.json<{ events: LogLine[] }>().events }
}

t.test('every refusal is found by its request id, with method, route and what was lacking', async (t) => {
  const routes: RouteConfig[] = [
    { prefix: '/dead', upstream: `http://127.0.0.1:${await freePort()}`, policy: 'public' },
    { prefix: '/staff', upstream: 'http://127.0.0.1:9', policy: { roles: ['clerk', 'boss'] } },
    { prefix: '/write', upstream: 'http://127.0.0.1:9', policy: { scopes: ['orders:read', 'orders:burn'] } },
  ]
  const gateway = await startGateway(t, { config: { routes } })
  const alice = bearer(await gateway.signInToServices('alice'))
  const json = { 'content-type': 'application/json' }
  const cases: [title: string, request: InjectOptions, reason: string, route: string | undefined, detail?: RegExp][] = [
    ['no token', { url: '/staff/x' }, 'token_missing', '/staff/*'],
    ['no role', { url: '/staff/x', headers: alice }, 'policy_refused', '/staff/*', /^lacks the role clerk or boss$/],
    ['no scope', { url: '/write/x', headers: alice }, 'policy_refused', '/write/*', /^lacks the scope orders:burn$/],
    [
      'not for the administration',
      { url: '/admin/users', headers: alice },
      'token_foreign',
      '/admin/users',
      /^not for urn:cardea:admin$/,
    ],
    ['nothing there', { url: '/nothing' }, 'request_refused', undefined, /^not_found$/],
    ['a method', { method: 'DELETE', url: '/auth/login' }, 'request_refused', undefined, /^method_not_allowed$/],
    [
      'a body',
      { method: 'POST', url: '/auth/login', headers: json, payload: '{' },
      'request_refused',
      '/auth/login',
      /^invalid_request: json_malformed$/,
    ],
    ['a service', { url: '/dead/x' }, 'service_failed', '/dead/*', /^upstream_unreachable: .*ECONNREFUSED/],
    [
      'a password',
      { method: 'POST', url: '/auth/login', payload: { username: 'alice', password: 'no' } },
      'login_failed',
      '/auth/login',
    ],
  ]
  for (const [title, request, reason, route, detail] of cases) {
    const response = await gateway.app.inject(request)
    const id = response.json<{ request_id: string }>().request_id
    const { lines, events } = await found(gateway, id)
    t.match(lines, [{ event: reason, granted: false, method: request.method ?? 'GET' }], title)
    t.equal(lines.length, 1, `${title}: one line`)
    t.equal(lines[0]?.['route'], route, `${title}: its route`)
    if (detail !== undefined) t.match(lines[0]?.['detail'], detail, title)
    t.equal(events.length, 1, `${title}: one event`)
    const { detail: why, method, instance } = lines[0] ?? {}
    t.match(events, [{ reason, granted: false, request_id: id, method, ...(route && { route }) }], title)
    t.equal(events[0]?.['detail'], why, title)
    t.equal(events[0]?.['instance'], instance, title)
  }
  t.match(gateway.events('service_failed'), [{ instance: routes[0]?.upstream }], 'and the instance of a service')
})

t.test('what is not even a request is found by the id that its connection was shown', async (t) => {
  const gateway = await startGateway(t)
  await gateway.app.listen({ host: '127.0.0.1', port: 0 })
  // Boundary: it listens on TCP.
  const { port } = gateway.app.server.address() as AddressInfo
  for (const [bytes, code] of [
    ['not HTTP at all\r\n\r\n', 'invalid_request'],
    ['CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n', 'method_not_implemented'],
    ['GET /%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 'path_not_canonical'],
  ] as const) {
    const { text } = await sendRaw(port, bytes)
    const id = /"request_id":"([^"]+)"/.exec(text)?.[1] ?? 'none'
    const { lines, events } = await found(gateway, id)
    const detail = new RegExp(`^${code}`)
    t.match(lines, [{ event: 'request_refused', granted: false, network: '127.0.0.0/24', detail }], code)
    t.match(events, [{ reason: 'request_refused', request_id: id, detail }], code)
  }
})

t.test('what only accompanies a request does not stand for its refusal', async (t) => {
  const lines: LogLine[] = []
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const audit = new Audit(log, {})
  const request = { id: 'abc-1', headers: {}, log, refusedFor: undefined }
  audit.record(request, { reason: 'login_slowed', granted: false })
  audit.refuse(request, { code: 'internal', statusCode: 500 })
  audit.refuse(request, { code: 'internal', statusCode: 500 })
  t.match(lines, [{ event: 'login_slowed' }, { event: 'gateway_failed', detail: 'internal' }], 'and one is enough')
  t.equal(lines.length, 2)
})

t.test('a detail that quotes a request is made harmless', async (t) => {
  const lines: LogLine[] = []
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const request = { id: 'abc-1', headers: {}, log, refusedFor: undefined }
  const detail = `a\n\u202eb${'c'.repeat(1000)}`
  new Audit(log, {}).refuse(request, { code: 'invalid_request', statusCode: 400, detail })
  t.match(lines, [{ detail: /^invalid_request: a\?\?bc{100,160}$/ }])
})

t.test('an event of something granted has no request id, for there is nothing to ask', async (t) => {
  const { app, events, signIn } = await startGateway(t)
  await signIn()
  const [line] = events('login_ok')
  t.equal(line?.['route'], undefined)
  t.strictSame(app.audit.counts()['request_refused'], 0)
})
