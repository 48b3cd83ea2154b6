// One caller that would hold every place of a service: by slow uploads, by streams, by WebSockets. Everybody else is served.
import type { ServerResponse } from 'node:http'
import t from 'tap'
import { gatewayFor, upstreamFor } from '../../plugins/forward/gateway.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw, statusesIn } from '../../support/raw-client.ts'
import { startStreamingUpstream } from '../../support/upstream.ts'

const head = (method: string, target: string, name: string, more = '') =>
  `${method} ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${name}\r\n${more}\r\n`
const as = (name: string) => ({ headers: { authorization: `Bearer ${name}` } })

t.test('slow uploads of one subject do not take a service from everybody', async (t) => {
  const upstream = await upstreamFor(t)
  const { url, port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, maxConcurrent: 8 }])
  const uploads = Array.from({ length: 8 }, () => openRaw(port))
  t.teardown(() => uploads.forEach(({ socket }) => void socket.destroy()))
  for (const { socket } of uploads) socket.write(`${head('POST', '/x', 'mallory', 'Content-Length: 100000\r\n')}slowly`)
  const refused = () => uploads.filter(({ text }) => statusesIn(text)[0] === 503).length
  await eventually('all but a quarter are refused', () => refused() === 6)
  t.match(uploads.find(({ text }) => text !== '')?.text, /retry-after: \d+/i)
  t.equal((await fetch(`${url}/x`, as('alice'))).status, 200)
  for (const { socket } of uploads) socket.destroy()
  await eventually('its places are free again', async () => (await fetch(`${url}/x`, as('mallory'))).status === 200)
})

t.test('without a subject the network has the share', async (t) => {
  const held: ServerResponse[] = []
  const upstream = await upstreamFor(t, (request, response) => {
    if (request.url === '/x/held') held.push(response)
    else response.end('free')
  })
  const route = { prefix: '/x', upstream: upstream.url, policy: 'public' as const, maxConcurrent: 8 }
  const { url } = await gatewayFor(t, [route], { trustProxy: ['127.0.0.1'] })
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  const flood = Array.from({ length: 8 }, (_none, i) => fetch(`${url}/x/held`, from(`2001:db8::${i + 1}`)))
  await eventually('its share is taken', () => held.length === 2)
  t.equal((await fetch(`${url}/x/free`, from('2001:db8:1::1'))).status, 200)
  t.equal((await fetch(`${url}/x/free`, from('2001:db8::99'))).status, 503)
  for (const response of held) response.end('late')
  t.strictSame((await Promise.all(flood)).map(({ status }) => status).sort(), [200, 200, 503, 503, 503, 503, 503, 503])
})

t.test('a body that comes byte by byte is not waited for', async (t) => {
  const upstream = await startStreamingUpstream((request) => {
    // Never idle for as long as the limit of one pause: for each byte that has come there is a next one.
    request.on('data', () => void upload.socket.write('x'))
  })
  t.teardown(() => upstream.close())
  const { port } = await gatewayFor(t, [
    { prefix: '/x', upstream: upstream.url, policy: 'public', timeouts: { bodyIdle: '150ms' }, minBodyRate: 2 ** 30 },
  ])
  const upload = openRaw(port)
  t.teardown(() => void upload.socket.destroy())
  upload.socket.write(`${head('POST', '/x', 'mallory', 'Content-Length: 1000000\r\n')}x`)
  await eventually('it is refused', () => statusesIn(upload.text)[0] === 408)
})

t.test('event streams have places of their own, and a share of them each', async (t) => {
  const open: ServerResponse[] = []
  const upstream = await upstreamFor(t, (request, response) => {
    if (request.url === '/x/page') return void response.end('page')
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).flushHeaders()
    open.push(response)
  })
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, maxConcurrent: 1, maxStreams: 8 }])
  const ended = new AbortController()
  t.teardown(() => ended.abort())
  const listen = (name: string) => fetch(`${url}/x/events`, { ...as(name), signal: ended.signal })
  const statuses = []
  for (let i = 0; i < 4; i += 1) statuses.push((await listen('mallory')).status)
  t.strictSame(statuses, [200, 200, 503, 503])
  t.equal((await fetch(`${url}/x/page`, as('alice'))).status, 200, 'an open stream holds no place of a request')
  t.equal((await listen('alice')).status, 200)
  for (const response of open.slice(0, 2)) response.end()
  await eventually('what has ended is free again', async () => (await listen('mallory')).status === 200)
})
