// Offers of another protocol on connections that go on: as Java's HttpClient and Apache's send them, and what must still end one.
import t, { type Test } from 'tap'
import { eventually } from '../../support/eventually.ts'
import { openRaw, statusesIn } from '../../support/raw-client.ts'
import { gatewayFor, upstreamFor } from '../forward/gateway.ts'

const javaOffers = 'Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\nUpgrade: h2c\r\n'
const apacheOffers = 'Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n'

async function sceneOf(t: Test) {
  const upstream = await upstreamFor(t)
  const { app, port, ownBodies } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  let bytesRead = () => 0
  app.server.on('connection', (socket) => {
    bytesRead = () => socket.bytesRead
  })
  let sent = 0
  const client = openRaw(port)
  t.teardown(() => void client.socket.destroy())
  const ask = async (...parts: string[]) => {
    const before = statusesIn(client.text).length
    const from = client.text.length
    for (const part of parts) {
      client.socket.write(part)
      sent += part.length
      await eventually('it is read', () => bytesRead() === sent || client.closed)
    }
    await eventually('the response', () => statusesIn(client.text).length > before || client.closed)
    return client.text.slice(from)
  }
  return { ask, client, upstream, ownBodies }
}

for (const [client, offers] of [
  ['Java’s HttpClient', javaOffers],
  ['Apache’s HttpClient', apacheOffers],
] as const) {
  t.test(`the connection of ${client}, which offers another protocol, goes on`, async (t) => {
    const { ask, upstream, ownBodies } = await sceneOf(t)
    const json = 'Content-Type: application/json\r\n'
    const requests: [string, ...string[]][] = [
      [`GET /x/1 HTTP/1.1\r\nHost: a\r\n${offers}\r\n`],
      [`POST /x/2 HTTP/1.1\r\nHost: a\r\n${offers}Content-Length: 5\r\n\r\nhello`],
      [`POST /x/3 HTTP/1.1\r\nHost: a\r\n${offers}Content-Length: 5\r\n\r\n`, 'hello'],
      [`POST /x/4 HTTP/1.1\r\nHost: a\r\n${offers}Content-Length: 5\r\n\r\nhe`, 'l', 'lo'],
      [`GET /own HTTP/1.1\r\nHost: a\r\n${offers}\r\n`],
      [`POST /own HTTP/1.1\r\nHost: a\r\n${offers}${json}Content-Length: 2\r\n\r\n`, '{}'],
      [`GET /x/none HTTP/1.1\r\nHost: a\r\n${offers}Content-Length: 0\r\n\r\n`],
      ['GET /x/last HTTP/1.1\r\nHost: a\r\n\r\n'],
    ]
    for (const request of requests) {
      const text = await ask(...request)
      t.match(text, /^HTTP\/1\.1 200 /, request[0])
      t.notMatch(text, /connection: close/i, request[0])
    }
    t.same(
      upstream.received.map(({ body }) => body).filter((body) => body !== ''),
      ['hello', 'hello', 'hello'],
    )
    t.same(ownBodies, [{}])
  })
}

t.test('what stands behind an offer in the same read, or may, ends the connection', async (t) => {
  const get = `GET /x/1 HTTP/1.1\r\nHost: a\r\n${javaOffers}\r\n`
  const post = `POST /x/2 HTTP/1.1\r\nHost: a\r\n${javaOffers}Content-Length: 5\r\n\r\n`
  const lost = 'GET /x/lost HTTP/1.1\r\nHost: a\r\n\r\n'
  for (const parts of [
    [get + lost],
    [`${get}G`],
    [`${get}\r\n\r\n`],
    [`${post}hello${lost}`],
    [`${post}helloG`],
    [`${post}he`, `llo${lost}`],
    [`${post.replace('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
    [`GET /x/0 HTTP/1.1\r\nHost: a\r\n\r\n${get}`],
    [get.slice(0, 30), get.slice(30)],
    [get.slice(0, -2), '\r\n'],
    [`${get.replace(javaOffers, `Connection: close, Upgrade\r\nUpgrade: h2c\r\n`)}`],
  ]) {
    const { ask, client, upstream } = await sceneOf(t)
    const title = JSON.stringify(parts)
    await ask(...parts)
    await eventually(`the connection ends: ${title}`, () => client.closed)
    t.match(client.text, /connection: close/i, title)
    t.notOk(
      upstream.received.some(({ url }) => url === '/x/lost'),
      title,
    )
  }
})
