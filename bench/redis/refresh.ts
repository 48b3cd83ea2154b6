// The speed of rotation without a gateway around it: the bare script, and the store's verb from one Node process. Run by
// `node bench/redis/refresh.ts [rotations]`; REDIS_URL or a server of its own.
import { Redis } from 'ioredis'
import type { Session, Store } from '../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../plugins/session-store/redis/index.ts'
import { RedisNames } from '../../plugins/session-store/redis/key-names.ts'
import { scripts } from '../../plugins/session-store/redis/scripts.ts'
import { newPrefix, sharedRedis } from '../../test/support/redis/server.ts'

const rotations = Number(process.argv[2] ?? 100_000)
const inFlight = 64
const sessions = 1000

const teardowns: (() => Promise<void> | void)[] = []
const url = await sharedRedis({ teardown: (close) => teardowns.push(close) })
const prefix = newPrefix()
const store = await openRedisStore({ url, prefix, loadSubjectTag: async () => tagOf, deadlineMs: 10_000 })
const redis = new Redis(url, { protocol: 2 })

function tagOf(sub: string): string {
  return sub.padEnd(8, '-').slice(-8)
}

async function logIn(store: Store, number: number): Promise<Session> {
  const sub = `u${String(number).padStart(7, '0')}`
  await store.users.add({ sub, passwordHash: '', roles: [], scope: '' })
  const sid = tagOf(sub) + String(number).padStart(24, '0')
  const common = { idleTtlSeconds: 3600, absoluteTtlSeconds: 7200, roles: ['user'], scope: '', amr: ['pwd'] }
  const fresh = { sid, sub, device: 'bench', ip: '192.0.2.7', ...common, maxSessions: 100, userRevision: 1 }
  const created = await store.sessions.create(fresh)
  if (created.outcome !== 'created') throw new Error(created.outcome)
  return created.session
}

/** Rotates every session in turn, `inFlight` at once, and prints the rate. */
async function run(
  title: string,
  rotate: (session: number, generation: number) => Promise<unknown>,
  from: number,
): Promise<void> {
  const tookMs: number[] = []
  let next = 0
  const work = async () => {
    for (let i = next++; i < rotations; i = next++) {
      const startedAt = performance.now()
      await rotate(i % sessions, from + Math.floor(i / sessions))
      tookMs.push(performance.now() - startedAt)
    }
  }
  await redis.config('RESETSTAT')
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  await Promise.all(Array.from({ length: inFlight }, work))
  const perSecond = rotations / ((performance.now() - startedAt) / 1000)
  const cpu = process.cpuUsage(cpuBefore)
  const inNode = ((cpu.user + cpu.system) / rotations).toFixed(1)
  const inRedis = Number(/cmdstat_evalsha:.*?usec_per_call=([\d.]+)/.exec(await redis.info('commandstats'))?.[1])
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => (tookMs[Math.floor(tookMs.length * share)] ?? 0).toFixed(2)
  console.log(
    `${title.padEnd(44)} ${Math.round(perSecond).toString().padStart(7)}/s   p50 ${at(0.5)} ms   p99 ${at(0.99)} ms   ` +
      `${inNode} us of CPU each in Node, ${inRedis} us inside Redis`,
  )
}

const ids = await Promise.all(Array.from({ length: sessions }, (_, i) => logIn(store, i)))
const names = new RedisNames(prefix, tagOf)
const [, primary = ''] = /master_replid:(\w+)/.exec(await redis.info('replication')) ?? []
const keysOf = ids.map(({ sid }) => {
  const subject = `${prefix}{${sid.slice(0, 8)}}`
  return {
    keys: [subject, subject + sid.slice(8), names.revocations, names.notBefore],
    field: Buffer.from(sid.slice(8), 'base64url'),
  }
})

await redis.script('LOAD', scripts.rotate.text)
const perRun = Math.ceil(rotations / sessions)
await run(
  'the bare script: EVALSHA by ioredis',
  (i, generation) => {
    const { keys, field } = keysOf[i] ?? { keys: [], field: '' }
    const args = ['', 3_600_000, field, generation, 0, 0, primary, 0, 'call']
    return redis.callBuffer('EVALSHA', [scripts.rotate.sha1, keys.length, ...keys, ...args])
  },
  1,
)
await run(
  'the verb: store.sessions.rotate',
  (i, generation) => store.sessions.rotate({ sid: ids[i]?.sid ?? '', generation, issuedAtSeconds: 0 }, 0),
  1 + perRun,
)

redis.disconnect()
await store.close()
for (const close of teardowns) await close()
