// The memory of a session in Redis: used_memory over 100,000 sessions, index, time-to-live and key included. Run by `node
// bench/redis/memory.ts [sessions]`; prints the table that docs/performance.md has. It starts a server of its own.
import { createHash, randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Store } from '../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../plugins/session-store/redis/index.ts'
import { startRedis } from '../../test/support/redis/server.ts'

const sessions = Number(process.argv[2] ?? 100_000)
const atOnce = 200

interface Case {
  title: string
  device: string
  ip: string
  sessionsPerSubject: number
  /** What is done to each session after the login. */
  afterwards?: (store: Store, sid: string) => Promise<unknown>
}

const typical = { device: 'Firefox 128 on Linux', ip: '203.0.113.195', sessionsPerSubject: 1 }

const cases: Case[] = [
  { title: 'one session a subject', ...typical },
  { title: 'the same after 5 rotations', ...typical, afterwards: rotateFiveTimes },
  { title: 'with its timeline, a run of refreshes', ...typical, afterwards: recordFiveRefreshes },
  { title: 'with its timeline, ended', ...typical, afterwards: recordLife },
  { title: 'device label of 64 bytes', ...typical, device: 'x'.repeat(64) },
  { title: 'device label of 64 bytes, IPv6', ...typical, device: 'x'.repeat(64), ip: '2001:db8:85a3::8a2e:370:7334' },
  { title: 'five sessions a subject', ...typical, sessionsPerSubject: 5 },
  { title: 'tombstone of a session', ...typical, afterwards: (store, sid) => store.sessions.end(sid, 'logout') },
]

async function rotateFiveTimes(store: Store, sid: string): Promise<void> {
  for (let generation = 1; generation <= 5; generation += 1) {
    await store.sessions.rotate({ sid, generation, issuedAtSeconds: 0 }, 10_000)
  }
}

// What is on by default: the sign-in, then one step that counts the refreshes.
async function recordFiveRefreshes(store: Store, sid: string): Promise<void> {
  await record(store, sid, ['login_ok', 'rotated', 'rotated', 'rotated', 'rotated', 'rotated'])
}

async function recordLife(store: Store, sid: string): Promise<void> {
  await record(store, sid, ['login_ok', 'rotated', 'retried_concurrent', 'rotated', 'logout'])
}

async function record(store: Store, sid: string, reasons: readonly string[]): Promise<void> {
  const keepUntil = Date.now() + 2_592_000_000
  const step = { sid, node: 'gateway-1', client: 'Firefox 128 on Linux', network: '203.0.113.0/24', keepUntil }
  const marks = reasons.map((reason, i) => ({ ...step, reason, at: Date.now() + i * 1000, generation: i + 1 }))
  const limits = { events: 100_000, timelineEntries: 16 }
  await store.events.mark(marks, limits)
}

function tagOf(sub: string): string {
  return createHash('sha256').update(sub).digest().subarray(0, 6).toString('base64url')
}

/** Bytes a session of this kind costs. */
async function measure(kind: Case): Promise<{ bytes: number; version: string }> {
  const teardowns: (() => Promise<void> | void)[] = []
  const server = await startRedis({ teardown: (close) => teardowns.push(close) })
  const store = await openRedisStore({ url: server.url, loadSubjectTag: async () => tagOf, deadlineMs: 10_000 })
  const redis = new Redis(server.url)
  try {
    const subjects = Math.ceil(sessions / kind.sessionsPerSubject)
    await each(subjects, (i) => store.users.add({ sub: subject(i), passwordHash: '', roles: [], scope: '' }))
    // Users are in the log as well as sessions that end.
    const before = await usedBesideLog(redis)
    await each(subjects, (i) => logIn(store, kind, subject(i)))
    const bytes = ((await usedBesideLog(redis)) - before) / (subjects * kind.sessionsPerSubject)
    return { bytes, version: store.description }
  } finally {
    redis.disconnect()
    await store.close()
    for (const close of teardowns) await close()
  }
}

async function logIn(store: Store, { device, ip, sessionsPerSubject, afterwards }: Case, sub: string): Promise<void> {
  for (let i = 0; i < sessionsPerSubject; i += 1) {
    const sid = tagOf(sub) + randomBytes(18).toString('base64url')
    const common = { idleTtlSeconds: 604_800, absoluteTtlSeconds: 2_592_000, roles: ['user'], scope: '', amr: ['pwd'] }
    await store.sessions.create({ sid, sub, device, ip, ...common, maxSessions: 100, userRevision: 1 })
    await afterwards?.(store, sid)
  }
}

function subject(i: number): string {
  return `user-${String(i).padStart(6, '0')}`
}

async function each(count: number, step: (i: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - from) }, (_, i) => step(from + i)))
  }
}

async function usedBesideLog(redis: Redis): Promise<number> {
  const log = Number(await redis.call('MEMORY', 'USAGE', 'c:revocations', 'SAMPLES', 0))
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]) - log
}

for (const kind of cases) {
  const { bytes, version } = await measure(kind)
  console.log(
    `${kind.title.padEnd(34)} ${bytes.toFixed(1).padStart(7)} bytes a session   ${sessions} sessions, ${version}`,
  )
}
