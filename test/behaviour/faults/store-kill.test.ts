// kill -9 in the middle of refreshes: no session is lost, and every client goes on with the last token it was given.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import type { Presented, Session, Store } from '../../../plugins/session-store/port/store.ts'
import { absoluteTtlSeconds, idleTtlSeconds, sessionOf, tokenOf } from '../../plugins/session-store/contract/scene.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const child = fileURLToPath(new URL('support/store-kill-child.ts', import.meta.url))
const sessionCount = 20
const refreshesBeforeKill = [1, 40, 1000]

const folder = temporaryFolder(t)

async function login(store: Store, i: number): Promise<Session> {
  const created = await store.sessions.create({
    sid: `KILLKILL${String(i).padStart(24, '0')}`,
    sub: 'ana',
    idleTtlSeconds,
    absoluteTtlSeconds,
    roles: [],
    scope: '',
    device: '',
    ip: '192.0.2.1',
    amr: ['pwd'],
    maxSessions: 100,
    userRevision: 1,
  })
  return sessionOf(created)
}

/** Lets the child refresh until `count` refreshes were answered, kills it, and returns the last response of each session. */
async function killAfter(count: number, file: string, last: Map<string, Presented>): Promise<number> {
  const args = ['--disable-warning=ExperimentalWarning', child, file, ...last.keys()]
  const running = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(running, 'close')
  let responded = 0
  for await (const line of linesOf(running)) {
    const [sid, generation, rotatedAt] = line.split(' ')
    // The last line may be cut where the process died: then its response did not arrive.
    if (!sid || !last.has(sid) || !rotatedAt || rotatedAt.length !== 13) continue
    last.set(sid, { sid, generation: Number(generation), issuedAtSeconds: Math.floor(Number(rotatedAt) / 1000) })
    responded += 1
    if (responded === count) running.kill('SIGKILL')
  }
  const [code, signal] = await ended
  if (signal !== 'SIGKILL') throw new Error(`the child ended by itself: ${code} ${signal}`)
  return responded
}

function linesOf(running: ChildProcess) {
  if (!running.stdout) throw new Error('the child has no stdout')
  return createInterface({ input: running.stdout })
}

t.test('a killed process loses no session, and no client its place', async (t) => {
  const file = join(folder, 'cardea.db')
  const first = openEmbeddedStore({ file })
  await first.users.add({ sub: 'ana', passwordHash: 'hash', roles: [], scope: '' })
  await first.keys.add({ id: 'k', use: 'signing', alg: 'ES256', createdAt: 1, activeFrom: 1, sealed: 'eA' })
  const last = new Map<string, Presented>()
  for (let i = 0; i < sessionCount; i += 1) {
    const session = await login(first, i)
    last.set(session.sid, tokenOf(session))
  }
  const doomed = await login(first, sessionCount)
  await first.sessions.end(doomed.sid, 'logout')
  await first.close()

  for (const count of refreshesBeforeKill) {
    const responded = await killAfter(count, file, last)
    t.ok(responded >= count, `${responded} answers before the kill`)
    const store = openEmbeddedStore({ file })
    for (const [sid, held] of last) {
      const kept = await store.sessions.read(sid)
      const ahead = (kept?.generation ?? Number.NaN) - held.generation
      t.ok(ahead === 0 || ahead === 1, `generation ${kept?.generation} of ${held.generation} answered`)
      const next = await store.sessions.rotate(held, 0)
      t.equal(next.outcome, ahead === 0 ? 'rotated' : 'retried', 'the client goes on with what it holds')
      if ('session' in next) last.set(sid, tokenOf(next.session))
    }
    t.equal((await store.sessions.list('ana')).length, sessionCount)
    t.match(await store.sessions.read(doomed.sid), { endReason: 'logout' })
    t.match(await store.users.find('ana'), { passwordHash: 'hash', revision: 1 })
    t.equal((await store.keys.list()).length, 1)
    await store.close()
  }
})
