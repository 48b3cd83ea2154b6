// The scene of the tests of lost writes: sessions in a store, a node that follows the log, clients that come back until they
// are answered, and a replica that is known to have everything.
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Presented,
  type RevocationEntry,
  type RotateOutcome,
  type Session,
  type Store,
  StoreUnavailable,
} from '../../../../plugins/session-store/port/store.ts'
import { openRedisStore, type RedisStoreOptions } from '../../../../plugins/session-store/redis/index.ts'
import { eventually } from '../../../support/eventually.ts'
import type { RedisServer } from '../../../support/redis/server.ts'
import { send } from '../../../support/redis/topology.ts'

/** What a test needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void> | void): void
}

/** A node: its store, what it has read in the revocation log, and what it said to its operators. */
export interface Node {
  store: Store
  heard: Map<string, RevocationEntry>
  reloads: number
  notices: string[]
}

/** How many sessions each part of a test has: 100, or as many as CARDEA_TEST_LOST_WRITES says. */
export const sessionCount = Number(process.env['CARDEA_TEST_LOST_WRITES'] ?? 100)

/** Subjects in many slots. */
export function tagOf(sub: string): string {
  return sub.padEnd(8, '-')
}

/** A store that follows the log, as a gateway does. */
export async function openNode(t: Ending, url: string, options: Partial<RedisStoreOptions> = {}): Promise<Node> {
  const store = await openRedisStore({ url, loadSubjectTag: async () => tagOf, ...options })
  const node: Node = { store, heard: new Map(), reloads: 0, notices: [] }
  store.condition.onNews(({ sentence }) => node.notices.push(sentence))
  const ending = new AbortController()
  t.teardown(() => {
    ending.abort()
    return store.close()
  })
  void follow(node, ending.signal)
  return node
}

async function follow(node: Node, ending: AbortSignal): Promise<void> {
  let after: string | { sinceMs: number } = { sinceMs: 0 }
  while (!ending.aborted) {
    try {
      const page = await node.store.sessions.readRevocations(after, 500)
      for (const revocation of page.revocations) {
        if (revocation.kind === 'session') node.heard.set(revocation.sid, revocation)
      }
      node.reloads += Number(page.hasGap)
      after = page.hasGap ? { sinceMs: 0 } : page.position
    } catch {
      await delay(20)
    }
  }
}

/** Logs in so many times, ten sessions a subject, each rotated once. */
export async function openSessions(store: Store, name: string, count: number): Promise<Session[]> {
  const subs = Array.from({ length: Math.ceil(count / 10) }, (_, i) => `${name}${i}`)
  await Promise.all(subs.map((sub) => store.users.add({ sub, passwordHash: '', roles: [], scope: '' })))
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const session = await login(store, subs[Math.floor(i / 10)] ?? name, i)
      return sessionOf(await store.sessions.rotate(tokenOf(session), 0))
    }),
  )
}

/** Logs in a user that is there. */
export async function login(store: Store, sub: string, number: number): Promise<Session> {
  const created = await store.sessions.create({
    sid: tagOf(sub) + String(number).padStart(24, '0'),
    sub,
    idleTtlSeconds: 3600,
    absoluteTtlSeconds: 7200,
    roles: [],
    scope: '',
    device: '',
    ip: '192.0.2.7',
    amr: ['pwd'],
    maxSessions: 100,
    userRevision: 1,
  })
  if (created.outcome !== 'created') throw new Error(created.outcome)
  return created.session
}

/** The token of a session's newest generation. */
export function tokenOf({ sid, generation, rotatedAt }: Session): Presented {
  return { sid, generation, issuedAtSeconds: Math.floor((rotatedAt[0] ?? 0) / 1000) }
}

/** @throws Error when the outcome has no session */
export function sessionOf(outcome: RotateOutcome): Session {
  if (!('session' in outcome)) throw new Error(outcome.outcome)
  return outcome.session
}

/** Presents a token again and again until it is answered. */
export async function present({ store }: Node, token: Presented, graceMs = 0): Promise<RotateOutcome> {
  const end = performance.now() + 30_000
  for (;;) {
    try {
      return await store.sessions.rotate(token, graceMs)
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || performance.now() > end) throw error
      await delay(10)
    }
  }
}

/** Waits until a replica has all that its primary has. */
export async function untilReplicated(primary: RedisServer, replica: RedisServer): Promise<void> {
  const offset = async (server: RedisServer) =>
    /master_repl_offset:(\d+)/.exec(String(await send(server, ['INFO', 'replication'])))?.[1]
  await eventually('the replica has all writes', async () => (await offset(primary)) === (await offset(replica)))
}
