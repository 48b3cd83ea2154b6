// The plugin `revocation`: this node's list of ended sessions, kept by the follower of the store's log and, for what this
// node ends itself, at once. `authenticate` asks it on every request; no request ever waits for the store.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { RevocationFollower } from './follower.ts'
import { RevocationList } from './list.ts'

declare module 'fastify' {
  interface FastifyInstance {
    revocation: Revocation
  }
}

export interface RevocationOptions {
  /** The longest an access token can be honoured after its session ended: its life and the verifier's leeway, s. */
  keepForSeconds: number
  /** When the log has been silent for longer, this node no longer knows, ms. */
  maxStalenessMs: number
  /** What to do then: refuse (503), or honour tokens until they expire. */
  onStale: 'reject' | 'serve'
}

/** What the rest of the gateway may ask. */
export interface Revocation {
  isRevoked(sid: string): boolean
  /** Whether this node can no longer tell who is revoked, and must refuse for it. */
  isStale(): boolean
}

const waitMs = 1_000
const forgetEveryMs = 10_000

async function revocation(app: FastifyInstance, options: RevocationOptions): Promise<void> {
  const keepForMs = options.keepForSeconds * 1000
  const list = new RevocationList(keepForMs)
  const onFailure = (err: unknown) => app.log.warn({ err }, 'the revocation log cannot be read')
  const follower = new RevocationFollower({ store: app.store, list, lookBackMs: keepForMs, waitMs, onFailure })
  app.sessions.onEnded((ended) => list.add(ended))
  app.decorate('revocation', {
    isRevoked: (sid) => list.isRevoked(sid),
    isStale: () => options.onStale === 'reject' && follower.ageMs > options.maxStalenessMs,
  })
  const forgetting = setInterval(() => void forget(app, list), forgetEveryMs).unref()
  await follower.start()
  app.addHook('onClose', async () => {
    clearInterval(forgetting)
    follower.stop()
  })
}

// By the store's clock, in which the entries are dated. When it cannot be asked, nothing is forgotten.
async function forget(app: FastifyInstance, list: RevocationList): Promise<void> {
  const nowMs = await app.store.now().catch(() => 0)
  list.forgetExpired(nowMs)
}

/** Fastify plugin: decorates `app.revocation`. */
export default fp(revocation, {
  name: 'revocation',
  fastify: '5.x',
  dependencies: ['session-store'],
  decorators: { fastify: ['store', 'sessions'] },
})
