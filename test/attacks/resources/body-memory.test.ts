// Bodies that a gateway reads whole, sent by those who want it to run out of memory. What all of them hold is bounded, what one
// network holds too, and everybody else's are read.
import t from 'tap'
import jsonBody from '../../../plugins/body-parsers/json.ts'
import { gatewayFor, upstreamFor } from '../../plugins/forward/gateway.ts'
import { describeRouteOf, documentOf } from '../../plugins/forward/openapi/scene.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw, statusesIn } from '../../support/raw-client.ts'

const kib = 1024

async function scene(t: Parameters<typeof upstreamFor>[0]) {
  const upstream = await upstreamFor(t)
  const body = { content: { 'application/json': { schema: { type: 'string' } } } }
  const { route, documents } = await describeRouteOf(t, documentOf({ '/things': { post: { requestBody: body } } }), {
    prefix: '/api',
    upstream: upstream.url,
    rewrite: '/',
    policy: 'public',
  })
  const gateway = await gatewayFor(t, [route], {
    documents,
    trustProxy: ['127.0.0.1'],
    bodyMemoryBytes: 1024 * kib,
    before: (app) => void app.register(jsonBody),
  })
  const post = (target: string, address: string) =>
    fetch(gateway.url + target, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
      body: JSON.stringify('x'.repeat(100 * kib)),
    })
  const begin = (target: string, address: string) => {
    const client = openRaw(gateway.port)
    t.teardown(() => void client.socket.destroy())
    const head = `POST ${target} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${address}\r\nContent-Type: application/json\r\n`
    client.socket.write(`${head}Content-Length: ${200 * kib}\r\n\r\n"${'x'.repeat(100 * kib)}`)
    return client
  }
  return { gateway, post, begin }
}

for (const [name, target] of Object.entries({ 'a documented route': '/api/things', 'an own route': '/own' })) {
  t.test(`${name}: one network holds a part of the memory, and the others theirs`, async (t) => {
    const { gateway, post, begin } = await scene(t)
    const flood = Array.from({ length: 8 }, (_none, i) => begin(target, `2001:db8::${i + 1}`))
    const refused = () => flood.filter(({ text }) => statusesIn(text)[0] === 503).length
    await eventually('what is over the share is refused', () => refused() === 6)
    t.match(flood.map(({ text }) => text).join(), /retry-after: \d+/i)
    t.equal(gateway.app.bodyMemory.heldBytes, 2 * (100 * kib + 1))
    t.equal((await post(target, '2001:db8::99')).status, 503)
    t.equal((await post(target, '203.0.113.9')).status, 200)
    for (const { socket } of flood) socket.destroy()
    await eventually('what is over is given back', () => gateway.app.bodyMemory.heldBytes === 0)
    t.equal((await post(target, '2001:db8::99')).status, 200)
  })

  t.test(`${name}: whoever has a wide network has no more than a part of it`, async (t) => {
    const { post, begin } = await scene(t)
    const flood = Array.from({ length: 16 }, (_none, i) => begin(target, `2001:db8:0:${i + 1}::1`))
    const refused = () => flood.filter(({ text }) => statusesIn(text)[0] === 503).length
    await eventually('half of the memory is held', () => refused() === 11)
    t.equal((await post(target, '203.0.113.9')).status, 200)
  })
}

t.test('what all hold together is bounded', async (t) => {
  const { gateway, begin } = await scene(t)
  const flood = Array.from({ length: 24 }, (_none, i) => begin('/api/things', `2001:db8:${i + 1}::1`))
  const refused = () => flood.filter(({ text }) => statusesIn(text)[0] === 503).length
  await eventually('nothing more is read', () => refused() === 14)
  t.equal(gateway.app.bodyMemory.heldBytes, 10 * (100 * kib + 1))
})
