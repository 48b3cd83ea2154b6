// Tests of what Prometheus reads: who may, what it says, that a flood of junk adds next to nothing, and that the dashboard
// and the alerts name only what there is.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { parse } from 'yaml'
import { adminAudience } from '../../../plugins/access-tokens/index.ts'
import { listenForMetrics } from '../../../src/process/metrics-listener.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, password, startGateway } from '../../support/gateway.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const token = 'a token for the scraper'

async function withMetrics(t: Test, config = {}) {
  const gateway = await startGateway(t, { config: { metrics: { listen: undefined, token }, ...config } })
  const scrape = async () => {
    const response = await gateway.app.inject({ url: '/metrics', headers: { authorization: `Bearer ${token}` } })
    t.equal(response.statusCode, 200)
    return response.body
  }
  const read = async (line: string) => seriesOf(await scrape(), line)
  return { ...gateway, scrape, read }
}

// The value of one series.
function seriesOf(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? Number.NaN : Number(line.slice(series.length + 1))
}

t.test('the metrics are for the token or an administrator, and for nobody else', async (t) => {
  const { app, post, signIn } = await withMetrics(t)
  const statusOf = async (headers = {}) => (await app.inject({ url: '/metrics', headers })).statusCode
  t.equal(await statusOf(), 401)
  t.equal(await statusOf({ authorization: `Bearer ${token}x` }), 401)
  const alice = await post('/auth/login', { username: 'alice', password, delivery: 'body', resource: adminAudience })
  t.equal(await statusOf(bearer(await signIn('alice'))), 401, 'a token for services')
  t.equal(await statusOf(bearer(alice.json())), 403)
  t.equal(await statusOf(bearer(await signIn('root'))), 200)
  t.equal(await statusOf({ authorization: `Bearer ${token}` }), 200)
})

t.test('without a token configured, none is right', async (t) => {
  const { app } = await startGateway(t)
  for (const authorization of ['Bearer undefined', 'Bearer ', `Bearer ${token}`]) {
    t.equal((await app.inject({ url: '/metrics', headers: { authorization } })).statusCode, 401)
  }
})

t.test('refreshes, logins, ages, rotations and sessions alive are counted', async (t) => {
  const { signIn, post, clock, app, scrape } = await withMetrics(t)
  const { refresh_token } = await signIn()
  await post('/auth/login', { username: 'alice', password: 'wrong' })
  clock.advance(120_000)
  const refresh = (refresh_token: string) => post('/auth/token', { grant_type: 'refresh_token', refresh_token })
  await refresh(refresh_token)
  await refresh('junk')
  await app.auditTrail.recorder.flush()
  const text = await scrape()
  const expected = {
    'cardea_logins_total{outcome="ok"}': 1,
    'cardea_logins_total{outcome="failed"}': 1,
    'cardea_refreshes_total{outcome="granted",reason="rotated"}': 1,
    'cardea_refreshes_total{outcome="refused",reason="forged"}': 1,
    'cardea_events_total{reason="reused"}': 0,
    'cardea_refresh_token_age_seconds_bucket{le="60"}': 0,
    'cardea_refresh_token_age_seconds_bucket{le="300"}': 1,
    cardea_refresh_token_age_seconds_sum: 120,
    cardea_session_rotations_count: 1,
    'cardea_active_sessions{window="hour"}': 1,
    cardea_hashing_waiting: 0,
    cardea_events_dropped_total: 0,
    'cardea_signals_total{rule="reuse"}': 0,
    'cardea_store_latency_seconds_count{verb="rotate"}': 1,
  }
  for (const [series, value] of Object.entries(expected)) t.equal(seriesOf(text, series), value, series)
  t.match(text, /^nodejs_eventloop_lag_seconds /m)
  t.match(text, /^process_resident_memory_bytes /m)
})

t.test('what this node revokes is counted by kind, with the time until it knew', async (t) => {
  const { signIn, app, read, post } = await withMetrics(t)
  const alice = await signIn()
  await app.inject({ method: 'POST', url: '/auth/logout', headers: bearer(alice) })
  t.equal(await read('cardea_revocations_total{kind="session"}'), 1)
  t.equal(await read('cardea_revocation_propagation_seconds_count'), 1)
  const admin = bearer(await signIn('root'))
  await signIn()
  for (const body of [
    { kind: 'subject', sub: 'alice' },
    { kind: 'token', jti: 'a'.repeat(22) },
    { kind: 'everyone' },
  ]) {
    t.equal((await post('/admin/revocations', body, { headers: admin })).statusCode, 200)
    t.equal(await read(`cardea_revocations_total{kind="${body.kind}"}`), 1, body.kind)
  }
  t.equal(await read('cardea_revocations_total{kind="session"}'), 2)
  t.ok((await read('cardea_revocation_log_age_seconds')) >= 0)
})

t.test('forwarded requests are counted by route and status class, whatever the path', async (t) => {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const routes = [
    { prefix: '/orders', upstream: upstream.url, policy: 'public' as const },
    { prefix: '/gone', upstream: 'http://127.0.0.1:1', policy: 'public' as const },
  ]
  const { app, scrape } = await withMetrics(t, { routes })
  for (let i = 0; i < 5; i += 1) await app.inject({ url: `/orders/${i}` })
  await app.inject({ url: '/gone/x' })
  const text = await scrape()
  t.equal(seriesOf(text, 'cardea_forwarded_requests_total{route="/orders",status="2xx"}'), 5)
  t.equal(seriesOf(text, 'cardea_forwarded_requests_total{route="/gone",status="failed"}'), 1)
  t.equal(seriesOf(text, 'cardea_upstream_latency_seconds_count{route="/orders"}'), 5)
})

t.test('tunnels are counted as 101, and how long they were open apart from the latency', async (t) => {
  const service = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(service, 'listening')
  t.teardown(() => service.close())
  // A server on a port has an address.
  const { port } = service.address() as AddressInfo
  const upstream = `http://127.0.0.1:${port}`
  const { app, scrape } = await withMetrics(t, {
    routes: [{ prefix: '/ws', upstream, policy: 'public', websocket: true }],
  })
  const opened = 'cardea_forwarded_requests_total{route="/ws",status="101"}'
  const ended = 'cardea_tunnel_seconds_count{route="/ws"}'
  t.notMatch(await scrape(), 'cardea_tunnel_seconds_count', 'a route without tunnels adds no lines')
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`)
  await once(socket, 'open')
  const whileOpen = await scrape()
  t.equal(seriesOf(whileOpen, opened), 1)
  t.equal(seriesOf(whileOpen, ended), 0)
  t.equal(seriesOf(whileOpen, 'cardea_upstream_latency_seconds_count{route="/ws"}'), 1, 'until its 101')
  socket.close()
  await eventually('it has ended', async () => seriesOf(await scrape(), ended) === 1)
  t.equal(seriesOf(await scrape(), opened), 1)
})

t.test('a flood of junk adds fewer than 60 lines', async (t) => {
  const { app, post, scrape } = await withMetrics(t)
  await scrape()
  const before = (await scrape()).split('\n').length
  for (let i = 0; i < 300; i += 1) {
    const junk = `${i}${'x'.repeat(i)}`
    await app.inject({
      method: i % 2 === 0 ? 'GET' : 'DELETE',
      url: `/${junk}/${i}?${junk}`,
      headers: { 'user-agent': junk },
    })
    await post('/auth/token', { grant_type: 'refresh_token', refresh_token: junk })
    await post('/auth/login', { username: junk, password: junk })
    await app.inject({ url: '/admin/usage', headers: { authorization: `Bearer ${junk}`, 'x-forwarded-for': junk } })
  }
  const after = (await scrape()).split('\n').length
  t.ok(after - before < 60, `${before} lines, then ${after}`)
})

t.test('a store that is away leaves its numbers out and the others in', async (t) => {
  const { store, scrape } = await withMetrics(t)
  await store.close()
  const text = await scrape()
  t.notMatch(text, /^cardea_active_sessions\{/m)
  t.match(text, /^cardea_events_total\{/m)
})

t.test('the listener answers /metrics and nothing else, and says so when it cannot', async (t) => {
  const listener = await listenForMetrics({ host: '127.0.0.1', port: 0 }, async () => 'numbers\n')
  const broken = await listenForMetrics({ host: '127.0.0.1', port: 0 }, () => Promise.reject(new Error('no worker')))
  t.teardown(() => Promise.all([listener.close(), broken.close()]))
  const ask = async (port: number, path: string, init = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
    return [response.status, await response.text()]
  }
  t.strictSame(await ask(listener.port, '/metrics'), [200, 'numbers\n'])
  t.strictSame(await ask(listener.port, '/'), [404, ''])
  t.strictSame(await ask(listener.port, '/metrics', { method: 'POST' }), [405, ''])
  t.strictSame(await ask(broken.port, '/metrics'), [503, ''])
})

/** Every PromQL expression of the dashboard and of the alerts. */
function expressions(): string[] {
  const read = (file: string) => readFileSync(new URL(`../../../docs/monitoring/${file}`, import.meta.url), 'utf8')
  // Boundary: what Grafana and Prometheus read of the two files.
  const dashboard = JSON.parse(read('grafana-dashboard.json')) as { panels: { targets?: { expr: string }[] }[] }
  // Boundary: as above.
  const alerts = parse(read('prometheus-alerts.yaml')) as { groups: { rules: { expr: string }[] }[] }
  const ofPanels = dashboard.panels.flatMap(({ targets = [] }) => targets)
  return [...ofPanels, ...alerts.groups.flatMap(({ rules }) => rules)].map(({ expr }) => expr)
}

t.test('every metric that the dashboard and the alerts name exists, with every label and value', async (t) => {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const { app, scrape } = await withMetrics(t, {
    routes: [{ prefix: '/orders', upstream: upstream.url, policy: 'public' }],
  })
  await app.inject({ url: '/orders' })
  const text = await scrape()
  t.ok(expressions().length > 20)
  for (const expression of expressions()) {
    const selected = [...expression.matchAll(/\b((?:cardea|nodejs|process)_[a-z0-9_]+)(?:\{(.*?)\})?/g)]
    t.ok(selected.length > 0, expression)
    for (const [, name = '', labels = ''] of selected) {
      const series = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      t.ok(series.length > 0, name)
      for (const [, label, values = ''] of labels.matchAll(/(\w+)(?:=~|!=|=)"(.*?)"/g)) {
        for (const value of values.split('|'))
          t.ok(series.join().includes(`${label}="${value}"`), `${name} ${label} ${value}`)
      }
      const by = /\bby \((.*?)\)/.exec(expression)?.[1]?.split(', ') ?? []
      for (const label of by.filter((one) => one !== 'instance')) t.match(series[0], `${label}="`, `${name} ${label}`)
    }
  }
})
