// The demo service: what a first request through the gateway reaches.
import t from 'tap'
import { startDemoUpstream } from '../../../src/process/demo-upstream.ts'

t.test('the demo service answers with what it received', async (t) => {
  const demo = await startDemoUpstream()
  t.teardown(() => demo.close())
  const response = await fetch(`${demo.url}/demo/hello?a=b`, {
    method: 'POST',
    body: 'text',
    headers: { 'x-mine': '1' },
  })
  t.match(await response.json(), { method: 'POST', path: '/demo/hello?a=b', headers: { 'x-mine': '1' }, body: 'text' })
  const head = await fetch(demo.url, { method: 'HEAD' })
  t.equal(head.status, 200)
})

t.test('it shows the beginning of a large body', async (t) => {
  const demo = await startDemoUpstream()
  t.teardown(() => demo.close())
  const response = await fetch(demo.url, { method: 'PUT', body: 'x'.repeat(200_000) })
  // An object, as the test above shows.
  const { body } = (await response.json()) as { body: string }
  t.equal(body.length, 65_536)
})

t.test('a port that is taken is an error', async (t) => {
  const demo = await startDemoUpstream()
  t.teardown(() => demo.close())
  await t.rejects(startDemoUpstream({ port: Number(new URL(demo.url).port) }), { code: 'EADDRINUSE' })
})
