// Tests of how the tests get their Redis: from a container where an engine answers, from a program otherwise; either way a
// real one, and gone when the test has ended. .ci/containers runs this file with TEST_REDIS=container, so that the container
// must be there.
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startRedis } from '../server.ts'
import { startRedisContainer } from './index.ts'

async function connected(t: Test, url: string): Promise<Redis> {
  const client = new Redis(url, { retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  await client.ping()
  return client
}

t.test('a Redis of the tests is real, empty and gone when its test has ended', async (t) => {
  let url = ''
  await t.test('while the test runs', async (t) => {
    const ofContainer = await startRedisContainer(t)
    url = ofContainer ?? (await startRedis(t)).url
    t.comment(ofContainer ? `a container, ${url}` : `a process, since no engine starts one, ${url}`)
    const client = await connected(t, url)
    t.equal(await client.dbsize(), 0)
    t.equal(await client.eval('return redis.call("set", KEYS[1], ARGV[1]).ok', 1, 'c:a', 'b'), 'OK')
    t.equal(await client.get('c:a'), 'b')
    t.match(await client.config('GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction'])
    // The first process of a container is its only one; on a machine that is never Redis.
    const [, processId] = /process_id:(\d+)/.exec(await client.info('server')) ?? []
    t.equal(processId === '1', ofContainer !== undefined)
  })
  const client = new Redis(url, { retryStrategy: () => null, lazyConnect: true })
  client.on('error', () => {})
  await t.rejects(client.connect(), 'nothing listens there any more')
})

t.test('where a container is demanded, nothing else stands in for it', async (t) => {
  t.intercept(process, 'env', { value: { ...process.env, TEST_REDIS: 'container', DOCKER_HOST: 'tcp://127.0.0.1:1' } })
  const started = startRedisContainer(t).then((url) => url ?? 'none', String)
  // Where an engine answers at a place of its own, testcontainers finds it all the same.
  t.match(await started, /^redis:|no Docker engine answers|does not start in this Docker engine/)
})
