// Tests of the access log: which requests get a line, what stands in it, what never does, and how a response that breaks off is
// told: in this log, as an event and in the metrics, and never as one that went well.
import { once } from 'node:events'
import { request as ask } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually, repeatedly } from '../../support/eventually.ts'
import { bearer, type LogLine, startGateway, type TestGateway } from '../../support/gateway.ts'
import { openRaw } from '../../support/raw-client.ts'
import { startFakeUpstream, startRawUpstream } from '../../support/upstream.ts'

type Config = NonNullable<NonNullable<Parameters<typeof startGateway>[1]>['config']>

async function start(t: Test, upstream: string, config: Config): Promise<TestGateway & { port: number }> {
  const route = { prefix: '/svc', upstream, websocket: true, timeouts: { bodyIdle: '300ms' } }
  const routes = [route, { ...route, prefix: '/open', policy: 'public' as const }]
  const gateway = await startGateway(t, { config: { routes, ...config } })
  await gateway.app.listen({ host: '127.0.0.1', port: 0 })
  // Boundary: it listens on TCP.
  return { ...gateway, port: (gateway.app.server.address() as AddressInfo).port }
}

const linesOf = ({ log }: TestGateway) => log.filter(({ msg, level }) => msg === 'request' && level === 30)

async function lineOf(gateway: TestGateway, path: string): Promise<LogLine | undefined> {
  const find = () => linesOf(gateway).find((line) => String(line['path']).startsWith(path))
  await eventually(`a line of ${path}`, () => find() !== undefined)
  return find()
}

t.test('a line says what was asked, by whom, and what came of it; never the values of a query', async (t) => {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const gateway = await start(t, upstream.url, { accessLog: 'all' })
  const tokens = await gateway.signInToServices('alice')
  const url = `http://127.0.0.1:${gateway.port}/svc/orders?secret=${'s'.repeat(20)}`
  const response = await fetch(url, { headers: bearer(tokens) })
  const length = (await response.arrayBuffer()).byteLength
  const line = await lineOf(gateway, '/svc/orders')
  t.match(line, {
    ...{ method: 'GET', route: '/svc/*', path: '/svc/orders?…', status: 200, instance: upstream.url },
    ...{ sub: 'alice', sid: tokens.session_id, network: '127.0.0.0/24', reqId: response.headers.get('x-request-id') },
  })
  t.ok(Number(line?.['bytes']) > length && Number(line?.['bytes']) < length + 2000, `head and body: ${line?.['bytes']}`)
  t.ok(Number(line?.['durationMs']) >= 0)
  t.equal(line?.['outcome'], undefined)
  await fetch(`http://127.0.0.1:${gateway.port}/svc/none`)
  t.match(await lineOf(gateway, '/svc/none'), { status: 401, reason: 'token_missing', route: '/svc/*' })
  t.match(await lineOf(gateway, '/auth/login'), { method: 'POST', status: 200, route: '/auth/login' })
  const text = JSON.stringify(linesOf(gateway))
  t.notMatch(text, tokens.access_token)
  t.notMatch(text, 'sssss')
})

t.test('off writes nothing and adds no hook; errors and a sample write what they say', async (t) => {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const asked = async (config: Config) => {
    const gateway = await start(t, upstream.url, config)
    for (let i = 0; i < 20; i += 1) await fetch(`http://127.0.0.1:${gateway.port}/open/${i}`)
    await fetch(`http://127.0.0.1:${gateway.port}/svc/refused`)
    if (config.accessLog !== 'off') await lineOf(gateway, '/svc/refused')
    return linesOf(gateway).map(({ status }) => status)
  }
  t.strictSame(await asked({ accessLog: 'off' }), [])
  t.strictSame(await asked({ accessLog: 'errors' }), [401])
  t.strictSame(await asked({ accessLog: 'sample', accessLogSample: 10 }), [200, 200, 401])
})

const breaks: [name: string, head: string, first: string, then: string | 'end' | 'silence', detail: RegExp][] = [
  ['dies', 'Content-Length: 100000', 'half', 'end', /^upstream_/],
  ['sends a bad chunk', 'Transfer-Encoding: chunked', '4\r\nhalf\r\n', 'zz\r\n', /^upstream_/],
  ['goes silent', 'Content-Length: 100000', 'half', 'silence', /^upstream_timeout: body_idle$/],
]
for (const [name, head, first, then, detail] of breaks) {
  t.test(`a response whose service ${name} is logged and counted as broken off, and not as 2xx`, async (t) => {
    const services: Socket[] = []
    const upstream = await startRawUpstream((socket) => {
      services.push(socket)
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${first}`)
    })
    t.teardown(() => upstream.close())
    const gateway = await start(t, upstream.url, { accessLog: 'errors' })
    const client = openRaw(gateway.port)
    client.socket.write('GET /open/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    await eventually('the response has begun', () => client.text.includes('half'))
    if (then === 'end') services[0]?.end()
    else if (then !== 'silence') services[0]?.write(then)
    await eventually('the client sees that it is not whole', () => client.closed)
    const line = await lineOf(gateway, '/open/x')
    t.match(line, { status: 200, outcome: 'broken', instance: upstream.url, detail })
    const [event] = gateway.events('response_broken')
    t.match(event, { reqId: line?.['reqId'], route: '/open/*', instance: upstream.url, detail, granted: false })
    const metrics = await gateway.app.metrics.text()
    t.match(metrics, 'cardea_forwarded_requests_total{route="/open",status="broken"} 1')
    t.match(metrics, 'cardea_forwarded_requests_total{route="/open",status="2xx"} 0')
  })
}

t.test('a client that leaves has a line that says so, and is nobody’s fault', async (t) => {
  const upstream = await startRawUpstream((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf')
    // Who has closed one side only would take it; who has left resets.
    repeatedly(t, 20, () => socket.write('.'))
  })
  t.teardown(() => upstream.close())
  const gateway = await start(t, upstream.url, { accessLog: 'all' })
  const request = ask({ host: '127.0.0.1', port: gateway.port, path: '/open/x' }).end()
  request.on('error', () => undefined)
  await once(request, 'response')
  request.destroy()
  t.match(await lineOf(gateway, '/open/x'), { status: 200, outcome: 'left' })
  t.strictSame(gateway.events('response_broken'), [])
})

t.test('a WebSocket has its line when its tunnel ends, with 101', async (t) => {
  const service = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.teardown(() => service.close())
  await once(service, 'listening')
  // Boundary: it listens on TCP.
  const { port } = service.address() as AddressInfo
  const gateway = await start(t, `http://127.0.0.1:${port}`, { accessLog: 'all' })
  const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/open/socket`)
  await once(client, 'open')
  t.strictSame(linesOf(gateway), [])
  client.close()
  t.match(await lineOf(gateway, '/open/socket'), { status: 101, route: '/open/*' })
})

t.test('the health and the ejections of instances, the build and own routes are metrics', async (t) => {
  const upstream = await startRawUpstream((socket) => socket.destroy())
  t.teardown(() => upstream.close())
  const gateway = await start(t, upstream.url, {
    routes: [
      {
        prefix: '/two',
        upstream: [upstream.url, 'http://127.0.0.1:9'],
        policy: 'public',
        retries: 0,
        ejection: { failures: 1 },
      },
    ],
  })
  const labels = `{route="/two",upstream="http://127.0.0.1:9"}`
  t.match(await gateway.app.metrics.text(), `cardea_instance_up${labels} 1`)
  for (let i = 0; i < 4; i += 1) await gateway.app.inject('/two/x')
  await gateway.app.inject('/auth/sessions')
  const metrics = await gateway.app.metrics.text()
  t.match(metrics, `cardea_instance_up${labels} 0`)
  t.match(metrics, `cardea_instance_ejections_total${labels} 1`)
  t.match(metrics, /cardea_build_info\{version="\d+\.\d+\.\d+",node="v\d+\.\d+\.\d+"\} 1/)
  t.match(metrics, 'cardea_own_requests_total{route="/auth/sessions",status="401"} 1')
  t.notMatch(metrics, 'cardea_own_requests_total{route="/two')
})
