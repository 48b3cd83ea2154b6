// OpenTelemetry: nothing unless the environment asks for it, one span a request when it does, sent to a receiver of OTLP, and in
// either case a traceparent goes on to the service.
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '../../support/eventually.ts'
import { bearer, startGateway, type TestGateway } from '../../support/gateway.ts'
import { type FakeUpstream, startFakeUpstream, startRawUpstream } from '../../support/upstream.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`

interface Span {
  traceId: string
  parentSpanId?: string
  spanId: string
  name: string
  /** 2: of a server; 3: of a client. */
  kind: number
  status: { code?: number }
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[]
}

async function startReceiver(t: Test) {
  const spans: Span[] = []
  const services: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
      services.push(JSON.stringify(resource.attributes))
      for (const scope of scopeSpans) spans.push(...scope.spans)
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  // A server on a port has an address.
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, services }
}

async function withService(t: Test): Promise<{ gateway: TestGateway; service: FakeUpstream }> {
  const service = await startFakeUpstream()
  t.teardown(() => service.close())
  const gateway = await startGateway(t, { config: { routes: [{ prefix: '/orders', upstream: service.url }] } })
  return { gateway, service }
}

// A process sends its spans to one receiver for as long as it lives.
const receiver = await startReceiver(t)

function askForTraces(t: Test, url = receiver.url): void {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = url
  process.env['OTEL_SERVICE_NAME'] = 'front door'
  process.env['OTEL_BSP_SCHEDULE_DELAY'] = '10'
  t.teardown(() => {
    delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT']
  })
}

const attributesOf = (span: Span | undefined) =>
  new Map(span?.attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]))

/** A service that never answers, and can be waited for until it is asked. */
async function silentService(t: Test) {
  let count = 0
  const service = await startRawUpstream(() => {
    count += 1
  })
  t.teardown(() => service.close())
  const routes = [{ prefix: '/orders', upstream: service.url }]
  const gateway = await startGateway(t, { config: { routes } })
  let seen = 0
  const asked = async () => {
    await eventually('the service is asked', () => count > seen)
    seen = count
  }
  return { gateway, service: { asked } }
}

const fieldsOf = (service: FakeUpstream, at: number) =>
  service.received[at]?.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1]?.toLowerCase() === 'traceparent')

t.test('without tracing nothing is loaded, and a traceparent is passed on as it came', async (t) => {
  const { gateway, service } = await withService(t)
  const headers = { ...bearer(await gateway.signIn()), traceparent, tracestate: 'a=b' }
  t.equal((await gateway.app.inject({ url: '/orders/1', headers })).statusCode, 200)
  t.strictSame(fieldsOf(service, 0), [traceparent])
  t.notOk(gateway.app.hasRequestDecorator('span'))
})

t.test('with tracing there is a span a request, and the service’s parent is ours', async (t) => {
  askForTraces(t)
  const { gateway, service } = await withService(t)
  const tokens = await gateway.signIn()
  const ask = (headers: Record<string, string>) =>
    gateway.app.inject({ url: '/orders/1?secret=x', headers: { ...bearer(tokens), ...headers } })
  await ask({ traceparent })
  await ask({})
  await ask({ traceparent: 'junk\u0020', tracestate: 'x'.repeat(2000) })
  await gateway.app.inject({ url: '/orders/1' })
  await eventually('five spans and three of calls', () => receiver.spans.length >= 8)
  const forwarded = receiver.spans.filter(({ name }) => name === 'GET /orders/*')
  const [ours] = forwarded.filter((span) => span.traceId === traceId)
  t.match(ours, { parentSpanId: '00f067aa0ba902b7' })
  const call = receiver.spans.find(({ kind, parentSpanId }) => kind === 3 && parentSpanId === ours?.spanId)
  t.strictSame(fieldsOf(service, 0), [`00-${traceId}-${call?.spanId}-01`], 'once, and it is our span of the call')
  const ofCall = attributesOf(call)
  t.equal(ofCall.get('server.address'), '127.0.0.1')
  t.equal(ofCall.get('server.port'), service.port)
  t.equal(ofCall.get('http.response.status_code'), 200)
  t.equal(ofCall.get('error.type'), undefined)
  for (const at of [1, 2]) t.match(fieldsOf(service, at), [/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/], 'a new trace')
  const attributes = attributesOf(ours)
  t.equal(attributes.get('http.route'), '/orders/*')
  t.equal(attributes.get('url.path'), '/orders/1', 'without the query')
  t.equal(attributes.get('http.response.status_code'), 200)
  t.ok(forwarded.some(({ attributes }) => attributes.some(({ value }) => value.intValue === 401)))
  t.ok(receiver.services.every((text) => text.includes('front door')))
  t.notMatch(JSON.stringify(receiver.spans), tokens.access_token)
})

t.test(
  'the span of a WebSocket ends with 101 when its tunnel does, and that of a refused one with its refusal',
  async (t) => {
    askForTraces(t)
    const service = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(service, 'listening')
    t.teardown(() => service.close())
    // A server on a port has an address.
    const upstream = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
    const { app } = await startGateway(t, {
      config: { routes: [{ prefix: '/ws', upstream, policy: 'public', websocket: true }] },
    })
    const url = (await app.listen({ host: '127.0.0.1', port: 0 })).replace('http', 'ws')
    const spansOf = (path: string) =>
      receiver.spans.map(attributesOf).filter((attributes) => attributes.get('url.path') === path)
    const socket = new WebSocket(`${url}/ws/open`)
    await once(socket, 'open')
    service.options.verifyClient = (_info, response) => response(false, 404)
    const refused = new WebSocket(`${url}/ws/refused`)
    await once(refused, 'error')
    await eventually('the refused one has ended', () => spansOf('/ws/refused').length > 0)
    t.equal(spansOf('/ws/open').length, 0, 'it is open')
    socket.close()
    await eventually('the tunnel has ended', () => spansOf('/ws/open').length > 0)
    const statuses = ['/ws/open', '/ws/refused'].map((path) =>
      spansOf(path).map((attributes) => attributes.get('http.response.status_code')),
    )
    t.strictSame(
      statuses,
      [
        [101, 101],
        [404, 404],
      ],
      'and so do those of their calls',
    )
  },
)

t.test('the span of a request ends when its client leaves before the response', async (t) => {
  askForTraces(t)
  const { gateway, service } = await silentService(t)
  const url = await gateway.app.listen({ host: '127.0.0.1', port: 0 })
  const headers = bearer(await gateway.signIn())
  const client = request(`${url}/orders/left`, { headers }).on('error', () => {})
  client.end()
  await service.asked()
  client.destroy()
  // That of the sign-in may come late.
  const endedHere = () => receiver.spans.filter((span) => attributesOf(span).get('url.path') === '/orders/left')
  await eventually('its span and that of the call have ended', () => endedHere().length > 1)
  for (const span of endedHere()) t.equal(attributesOf(span).get('error.type'), 'left')
  const [ended, ...others] = endedHere().filter(({ kind }) => kind === 2)
  t.equal(others.length, 0)
  t.equal(attributesOf(ended).has('http.response.status_code'), false)
  t.equal(ended?.status.code, 2, 'an error: nobody has had a response')
})

t.test('a receiver that is away costs no request', async (t) => {
  askForTraces(t, 'http://127.0.0.1:1')
  const { gateway } = await withService(t)
  const headers = bearer(await gateway.signIn())
  for (let i = 0; i < 20; i += 1) t.equal((await gateway.app.inject({ url: '/orders/1', headers })).statusCode, 200)
})

t.test('a call that failed says how, on its own span and on the request’s', async (t) => {
  askForTraces(t)
  const gateway = await startGateway(t, {
    config: { routes: [{ prefix: '/dead', upstream: 'http://127.0.0.1:9', policy: 'public' }] },
  })
  await gateway.app.inject('/dead/x')
  const spansOf = () => receiver.spans.filter((span) => attributesOf(span).get('url.path') === '/dead/x')
  await eventually('both spans', () => spansOf().length === 2)
  for (const span of spansOf()) {
    t.equal(attributesOf(span).get('error.type'), 'upstream_unreachable', String(span.kind))
    t.equal(span.status.code, 2)
  }
  const [call] = spansOf().filter(({ kind }) => kind === 3)
  t.match(
    [...attributesOf(call)],
    [
      ['http.request.method', 'GET'],
      ['url.path', '/dead/x'],
      ['server.address', '127.0.0.1'],
      ['server.port', 9],
    ],
  )
})
