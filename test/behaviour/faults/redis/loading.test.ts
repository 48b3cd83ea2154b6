// A Redis that is still loading its file when the gateway starts: it is waited for, and the word is said while it is.
import t, { type Test } from 'tap'
import { parseRedisUrl } from '../../../../plugins/session-store/redis/connection/address.ts'
import { RedisLink } from '../../../../plugins/session-store/redis/connection/link.ts'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { eventually } from '../../../support/eventually.ts'
import { type RedisServer, startRedis } from '../../../support/redis/server.ts'

const keys = 4_000
const slowly = ['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024']

/** A server that takes four seconds and more to read its file. */
async function startLoading(t: Test, args: readonly string[] = []): Promise<RedisServer> {
  const server = await startRedis(t, args)
  const link = new RedisLink(parseRedisUrl(server.url), { deadlineMs: 20_000, commandLimit: 10 })
  t.teardown(() => link.close())
  if (args.length > 0) await link.command('CLUSTER', ['ADDSLOTSRANGE', 0, 16383])
  const values = Array.from({ length: keys }, (_, i) => [`{x}${i}`, i]).flat()
  await eventually('the server takes keys: a Cluster needs a moment', () =>
    link.command('MSET', values).then(
      () => true,
      () => false,
    ),
  )
  await link.command('SAVE', [])
  await server.kill()
  await server.start(slowly)
  return server
}

// A Cluster needs a moment more after it has read its file.
const forms: Record<string, { args: string[]; startTimeoutMs: number; urlOf: (server: RedisServer) => string }> = {
  single: { args: [], startTimeoutMs: 2_500, urlOf: ({ url }) => url },
  cluster: {
    args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
    startTimeoutMs: 4_000,
    urlOf: ({ port }) => `redis+cluster://127.0.0.1:${port}`,
  },
}

for (const [form, { args, startTimeoutMs, urlOf }] of Object.entries(forms)) {
  t.test(`start (${form}): a Redis that is LOADING is waited for, and that is said once`, async (t) => {
    const server = await startLoading(t, args)
    const waits: string[] = []
    const store = await openRedisStore({
      url: urlOf(server),
      loadSubjectTag: async () => () => 'AAAAAAAA',
      startTimeoutMs,
      onWait: (sentence) => void waits.push(sentence),
    })
    t.teardown(() => store.close())
    await store.ping()
    t.match(waits, [/LOADING its file/])
    t.equal(waits.length, 1)
  })
}
