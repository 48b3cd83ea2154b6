// The gateway's own refresh route with signing alone: the same app, but its store answers every rotation at once from memory and
// decides nothing, and nothing is recorded. The limit that the gateway on Redis is measured against. Run as a process with the
// gateway's settings.
import './unrecorded.ts'
import { openEmbeddedStore } from '../../plugins/session-store/embedded/index.ts'
import type { NewSession, Presented, RotateOutcome, Session, Store } from '../../plugins/session-store/port/store.ts'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/index.ts'
import { prepareFirstAdmin, withSecret } from '../../src/process/first-start.ts'

const sessions = new Map<string, Session>()

// Everything but what a refresh asks is the embedded store's.
function withoutStore(store: Store): Store {
  const { create } = store.sessions
  store.sessions.create = async (session: NewSession) => {
    const created = await create.call(store.sessions, session)
    if (created.outcome === 'created') sessions.set(session.sid, created.session)
    return created
  }
  store.sessions.rotate = async ({ sid, generation }: Presented): Promise<RotateOutcome> => {
    const session = sessions.get(sid)
    if (!session) return { outcome: 'unknown' }
    return { outcome: 'rotated', session: { ...session, generation: generation + 1, rotatedAt: [Date.now()] } }
  }
  return store
}

const config = withSecret(loadConfig())
const store = withoutStore(openEmbeddedStore({ file: ':memory:' }))
const app = await buildApp(config, { store })
const addFirstAdmin = await prepareFirstAdmin(store.users, config)
await app.listen(config.listen)
await addFirstAdmin()
console.log('listening')
