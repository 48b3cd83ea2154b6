// The page at `/`: for people alone, without script, and never in the way of a service that has the path.
import t from 'tap'
import { startGateway } from '../../../support/gateway.ts'
import { startFakeUpstream } from '../../../support/upstream.ts'

const browser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

t.test('somebody who opens the gateway reads what it is and where the rest lies', async (t) => {
  const { app } = await startGateway(t, { config: { docs: true } })
  const response = await app.inject({ url: '/', headers: browser })
  t.equal(response.statusCode, 200)
  t.match(response.headers, { 'content-type': 'text/html; charset=utf-8', vary: /accept/ })
  t.match(response.body, /authentication gateway/)
  for (const [, target] of response.body.matchAll(/href="([^"]+)"/g)) {
    const linked = await app.inject({ url: `/${target}`, headers: browser })
    t.ok([200, 302, 308].includes(linked.statusCode), `${target}: ${linked.statusCode}`)
  }
})

t.test('it has no script, and nothing of it can be loaded from elsewhere', async (t) => {
  const { app } = await startGateway(t)
  const { body, headers } = await app.inject({ url: '/', headers: browser })
  t.notMatch(body, /<script|javascript:|\son\w+=/i)
  t.match(headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'/)
})

t.test('what is not served is not linked', async (t) => {
  const { app } = await startGateway(t, { config: { docs: false, ops: false } })
  const { body } = await app.inject({ url: '/', headers: browser })
  t.notMatch(body, /href="(docs|ops)/)
})

t.test('a program that asks for no HTML gets the same 404 as at any unknown path', async (t) => {
  const { app } = await startGateway(t)
  for (const accept of [undefined, '*/*', 'application/json', 'text/htmlx', 'text/plain, */*']) {
    const response = await app.inject({ url: '/', headers: accept === undefined ? {} : { accept } })
    t.equal(response.statusCode, 404, String(accept))
    t.match(response.json(), { code: 'not_found' })
  }
})

t.test('a service with the prefix / has the path', async (t) => {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const routes = [{ prefix: '/', upstream: upstream.url, policy: 'public' as const }]
  const { app } = await startGateway(t, { config: { routes } })
  await app.inject({ url: '/', headers: browser })
  t.match(upstream.received, [{ url: '/' }])
})
