// Services share one origin with the gateway and each other: what a response says about all of it ends at the gateway unless its
// route lets it through by name, no script of a service worker is given out unasked, and a sandbox takes the origin away.
import t, { type Test } from 'tap'
import { compileRoutes, type RouteConfig, routeViolations } from '../../../plugins/forward/index.ts'
import { startFakeUpstream } from '../../support/upstream.ts'
import { startGateway } from './gateway.ts'

/** What a service says for everybody behind the gateway, or to a proxy in front of it. */
const ofWholeOrigin: Record<string, string> = {
  'service-worker-allowed': '/',
  'clear-site-data': '"*"',
  'strict-transport-security': 'max-age=1',
  nel: '{"report_to":"x","max_age":1}',
  'report-to': '{"group":"x","max_age":1,"endpoints":[{"url":"https://evil.test"}]}',
  'reporting-endpoints': 'default="https://evil.test"',
  'set-login': 'logged-out',
  'accept-ch': 'Sec-CH-UA-Model',
  'critical-ch': 'Sec-CH-UA-Model',
  'secure-session-registration': '(ES256);path="/evil"',
  'secure-session-challenge': '"x"',
  'x-accel-redirect': '/internal/secrets',
  'x-accel-buffering': 'no',
  'x-accel-expires': '86400',
  'x-sendfile': '/etc/passwd',
  'x-lighttpd-send-file': '/etc/passwd',
  'x-litespeed-location': '/internal',
  'x-reproxy-url': 'http://169.254.169.254/',
}

async function sceneOf(t: Test, options: Partial<RouteConfig> = {}) {
  const service = await startFakeUpstream((_request, response) => {
    for (const [name, value] of Object.entries(ofWholeOrigin)) response.setHeader(name.toUpperCase(), value)
    response.setHeader('content-security-policy', "default-src 'self'")
    response.setHeader('x-harmless', '1')
    response.end('ok')
  })
  t.teardown(() => service.close())
  const gateway = await startGateway([{ prefix: '/shop', upstream: service.url, policy: 'public', ...options }])
  t.teardown(() => gateway.app.close())
  const get = (headers: Record<string, string> = {}) => fetch(`${gateway.url}/shop/x`, { headers })
  return { service, get }
}

t.test('what a service says about the whole origin does not pass', async (t) => {
  const { get } = await sceneOf(t)
  const { status, headers } = await get()
  t.equal(status, 200)
  t.equal(headers.get('x-harmless'), '1')
  for (const name of Object.keys(ofWholeOrigin)) t.equal(headers.get(name), null, name)
})

t.test('a route lets fields through by name, and no others', async (t) => {
  const { get } = await sceneOf(t, { responseHeaders: { allow: ['Clear-Site-Data', 'x-accel-buffering'] } })
  const { headers } = await get()
  const passed = Object.keys(ofWholeOrigin).filter((name) => headers.get(name) !== null)
  t.strictSame(passed, ['clear-site-data', 'x-accel-buffering'])
})

t.test('a name that passes anyway, or never can, is a mistake of the config', async (t) => {
  const upstream = 'http://127.0.0.1:9'
  const violationOf = (name: string) =>
    routeViolations([{ prefix: '/shop', upstream, responseHeaders: { allow: [name] } }]).map(({ message }) => message)
  t.match(violationOf('X-Harmless'), [/passes anyway/])
  for (const name of ['Connection', 'X-Request-Id', 'Alt-Svc', 'Proxy-Status'])
    t.match(violationOf(name), [/cannot pass/], name)
  t.strictSame(violationOf('Service-Worker-Allowed'), [])
  t.equal(compileRoutes([{ prefix: '/shop', upstream }])[0]?.serviceWorker, false)
})

t.test('the script of a service worker is not asked for, unless the route says so', async (t) => {
  const closed = await sceneOf(t)
  for (const value of ['script', 'Script', '']) {
    const response = await closed.get({ 'Service-Worker': value })
    t.equal(response.status, 403, value)
    t.match(await response.json(), { code: 'service_worker_refused' })
  }
  t.strictSame(closed.service.received, [])
  const open = await sceneOf(t, { serviceWorker: true })
  const response = await open.get({ 'Service-Worker': 'script' })
  t.equal(response.status, 200)
  t.equal(response.headers.get('service-worker-allowed'), null, 'nor does it reach further than its folder')
})

t.test('a sandbox is a policy beside the service’s own', async (t) => {
  const { get } = await sceneOf(t, { sandbox: true })
  const policy = (await get()).headers.get('content-security-policy') ?? ''
  const [own, sandbox] = policy.split(', ')
  t.equal(own, "default-src 'self'")
  t.match(sandbox, /^sandbox allow-scripts allow-forms /)
  t.notMatch(policy, 'allow-same-origin')
  t.notMatch(policy, /top-navigation|escape-sandbox/)
  const plain = await sceneOf(t)
  t.equal((await plain.get()).headers.get('content-security-policy'), "default-src 'self'")
})
