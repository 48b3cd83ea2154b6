// The operators' questions on a store with a million live sessions, embedded and on Redis: how long each takes, whether the
// pages together hold every session once, and that the gateway's memory does not follow. Run by
// `node bench/soak/sessions.ts [sessions]`. It ends with 1 when a page missed a session or showed one twice.
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { deriveSecrets } from '../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../plugins/keys/subject-tag.ts'
import type { Session, Store } from '../../plugins/session-store/port/store.ts'
import { newSid } from '../../plugins/session-store/refresh-token.ts'
import { loadConfig } from '../../src/config/index.ts'
import { openStore } from '../../src/process/open-store.ts'
import { startRedis } from '../../test/support/redis/server.ts'
import { signIn, startGateway } from '../targets/gateway.ts'
import { costOf } from '../targets/process-cost.ts'
import { type Running, stopAll } from '../targets/processes.ts'

const sessions = Number(process.argv[2] ?? 1_000_000)
/** Three sessions each, every third one a fourth. */
const subjects = Math.ceil((sessions * 3) / 10)
const questionsOfAKind = 300
/** Subjects that sign in at once; their timelines are written together, which are 200 at most. */
const subjectsAtOnce = 50
const kept = { events: 100_000, timelineEntries: 16 }
const dayMs = 24 * 3_600_000
const secret = randomBytes(48).toString('base64url')

const folder = await mkdtemp(join(tmpdir(), 'cardea-sessions-'))
const teardowns: (() => Promise<void> | void)[] = []
try {
  await soak('embedded, on a file', join(folder, 'data'))
  const redis = await startRedis({ teardown: (close) => teardowns.push(close) })
  await soak('Redis', join(folder, 'unused'), { REDIS_URL: redis.url })
} finally {
  stopAll()
  for (const close of teardowns) await close()
  await rm(folder, { recursive: true, force: true })
}

async function soak(title: string, data: string, more: Record<string, string> = {}): Promise<void> {
  const env = { CARDEA_DATA_DIR: data, CARDEA_SECRET: secret, CARDEA_WORKERS: '1', ...more }
  // The first start makes the administrator and the store's keys.
  const first = await startGateway({ folder, env })
  const emptyMib = residentMib(first)
  await stop(first)
  const filledAt = performance.now()
  const sids = await fill(env)
  const fillSeconds = Math.round((performance.now() - filledAt) / 1000)
  const startedAt = performance.now()
  const gateway = await startGateway({ folder, env })
  const startMs = Math.round(performance.now() - startedAt)
  const startMib = residentMib(gateway)
  console.log(
    `\n| ${title}: ${sids.length} live sessions of ${subjects} subjects | p50 ms | p99 ms | max ms |\n|---|---|---|---|`,
  )
  const ask = await asker(gateway)
  for (const [question, path] of Object.entries(questions(sids))) await measure(question, () => ask(path()))
  const asked = residentMib(gateway)
  await walk(ask, sids)
  console.log(
    `\nFilled in ${fillSeconds} s; the gateway was ready ${startMs} ms after its start. Its memory: ${emptyMib} MiB on an ` +
      `empty store, ${startMib} at this start, ${asked} after the questions, ${residentMib(gateway)} after the last page.`,
  )
  await stop(gateway)
}

async function stop({ pid }: Running): Promise<void> {
  process.kill(pid, 'SIGTERM')
  while (costOf(pid) !== undefined) await delay(20)
}

function residentMib({ pid }: Running): number {
  return Math.round((costOf(pid)?.residentBytes ?? Number.NaN) / 2 ** 20)
}

/** Signs everybody in by the store's own verbs, with what a gateway would have recorded of it. @returns every sid */
async function fill(env: NodeJS.ProcessEnv): Promise<string[]> {
  const store = await openStore(loadConfig({ env, directory: folder }))
  try {
    const tagKey = await loadSubjectTagKey(store.keys, deriveSecrets([secret]))
    const sids: string[] = []
    for (let from = 0; from < subjects; from += subjectsAtOnce) {
      const numbers = Array.from({ length: Math.min(subjectsAtOnce, subjects - from) }, (_, i) => from + i)
      const signedIn = await Promise.all(numbers.map((i) => signInSubject(store, tagKey, i)))
      await record(store, signedIn.flat(), from / subjectsAtOnce)
      for (const { sid } of signedIn.flat()) sids.push(sid)
    }
    return sids
  } finally {
    await store.close()
  }
}

async function signInSubject(store: Store, tagKey: Buffer, i: number): Promise<Session[]> {
  const sub = subject(i)
  await store.users.add({ sub, passwordHash: '', roles: [], scope: '' })
  const count = i % 3 === 0 ? 4 : 3
  return Promise.all(Array.from({ length: count }, () => signInOnce(store, sub, newSid(sub, tagKey))))
}

async function signInOnce(store: Store, sub: string, sid: string): Promise<Session> {
  const client = { device: 'Firefox 128 on Linux', ip: '203.0.113.195', roles: ['user'], scope: '', amr: ['pwd'] }
  const limits = { idleTtlSeconds: 604_800, absoluteTtlSeconds: 2_592_000, maxSessions: 100, userRevision: 1 }
  const created = await store.sessions.create({ sid, sub, ...client, ...limits })
  if (created.outcome !== 'created') throw new Error(`${sub} could not sign in: ${created.outcome}`)
  return created.session
}

// As if it had happened over the last day.
async function record(store: Store, signedIn: readonly Session[], batch: number): Promise<void> {
  const at = Date.now() - Math.floor(Math.random() * dayMs)
  const node = 'soak'
  const came = { at, node, reason: 'login_ok', granted: true, generation: 1 } as const
  const events = signedIn.map(({ sid, sub }) => ({ ...came, sid, sub }))
  const active = signedIn.map(({ sid }) => sid)
  const counts = { login_ok: signedIn.length }
  await store.events.append({ run: 'soak', id: batch, at, events, counts, active, signals: [] }, kept)
  const step = {
    at,
    node,
    reason: 'login_ok',
    client: 'Firefox 128 on Linux',
    network: '203.0.113.0/24',
    generation: 1,
  }
  const marks = active.map((sid) => ({ sid, ...step, keepUntil: at + 30 * dayMs }))
  await store.events.mark(marks, kept)
}

function subject(i: number): string {
  return `user-${String(i).padStart(7, '0')}`
}

type Ask = (path: string) => Promise<unknown>

async function asker({ url }: Running): Promise<Ask> {
  const { access_token } = await signIn(url, 'urn:cardea:admin')
  const headers = { authorization: `Bearer ${access_token}` }
  return async (path) => {
    const response = await fetch(`${url}/admin/${path}`, { headers })
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
    return response.json()
  }
}

/** What the operators' page asks, each time of another session or subject. */
function questions(sids: readonly string[]): Record<string, () => string> {
  const anySid = () => sids[randomInt(sids.length)] ?? ''
  const anySubject = () => subject(randomInt(subjects))
  return {
    'all sessions, the first page of 50': () => 'sessions?limit=50',
    'all sessions, a page of 50 in the middle': () => `sessions?limit=50&after=${anySubject()}`,
    'all sessions, a page of 200 in the middle': () => `sessions?limit=200&after=${anySubject()}`,
    'sessions of a subject': () => `sessions?sub=${anySubject()}`,
    'a session by its sid': () => `sessions/${anySid()}`,
    'its timeline': () => `sessions/${anySid()}/timeline`,
    'its events, of the newest': () => `events?sid=${anySid()}`,
    'the newest events': () => 'events?limit=200',
    'counts of the last day': () => 'usage/history?window=day',
    'overview, with how many were active': () => 'overview',
  }
}

async function measure(question: string, ask: () => Promise<unknown>): Promise<void> {
  // Statements are prepared, code is compiled.
  for (let i = 0; i < 20; i += 1) await ask()
  const times: number[] = []
  for (let i = 0; i < questionsOfAKind; i += 1) {
    const startedAt = performance.now()
    await ask()
    times.push(performance.now() - startedAt)
  }
  printTimes(question, times)
}

/** Reads every page, and looks whether each session is there once. */
async function walk(ask: Ask, sids: readonly string[]): Promise<void> {
  const missing = new Set(sids)
  const times: number[] = []
  let repeated = 0
  let path: string | undefined = 'sessions?limit=200'
  while (path !== undefined) {
    const startedAt = performance.now()
    // The shape of a page.
    const page = (await ask(path)) as { sessions: { sid: string; sub: string }[]; next?: string }
    times.push(performance.now() - startedAt)
    for (const { sid, sub } of page.sessions) if (!missing.delete(sid) && sub !== 'admin') repeated += 1
    path = page.next === undefined ? undefined : `sessions?limit=200&after=${encodeURIComponent(page.next)}`
  }
  printTimes(`each of all ${times.length} pages of 200, one after the other`, times)
  console.log(`\nOf ${sids.length} sessions ${missing.size} were on no page, ${repeated} on another one again.`)
  if (missing.size + repeated > 0) process.exitCode = 1
}

function printTimes(question: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => (sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN).toFixed(1)
  console.log(`| ${question} | ${at(0.5)} | ${at(0.99)} | ${at(1)} |`)
}
