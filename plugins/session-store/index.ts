// The plugin `session-store`: puts a store, its sessions and its delivery marks on the app, and closes the store with it.
// It takes over a store that is open; which adapter that is, only the process that opened it knows.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { EvenLimit, type EvenLimitOptions } from '../collections/even-limit.ts'
import { problem } from '../errors/index.ts'
import type { Secret } from '../keys/secrets.ts'
import { loadSubjectTagKey } from '../keys/subject-tag.ts'
import { DeliveryProof } from './delivery-proof.ts'
import type { StoreCondition, StoreNews } from './port/condition.ts'
import type { DeliveredGeneration, Store } from './port/store.ts'
import { type SessionPolicy, Sessions } from './sessions.ts'

declare module 'fastify' {
  interface FastifyInstance {
    store: Store
    sessions: Sessions
    delivery: DeliveryProof
  }
}

export { deriveSecrets } from '../keys/secrets.ts'
export { openStore } from './open-store.ts'

export interface SessionStoreOptions {
  /** An open store; see `openStore`. */
  store: Store
  /** Whether its opener closes the store, not this app; `false` when absent. */
  storeIsLent?: boolean
  /** They sign refresh tokens; newest first. */
  secrets: readonly Secret[]
  /** Lives, grace and limits of sessions; see `cardea`. */
  policy: SessionPolicy
  /** Rotations of one session; any number when absent. */
  refreshLimit?: EvenLimitOptions | undefined
}

async function sessionStore(app: FastifyInstance, options: SessionStoreOptions): Promise<void> {
  const { store, secrets, policy, refreshLimit, storeIsLent = false } = options
  refuseWhenReplaced(app, store.condition)
  const delivery = new DeliveryProof(store.sessions, { onSkippedUse: (mark) => reportSkippedUse(app, mark) })
  const subjectTagKey = await loadSubjectTagKey(store.keys, secrets)
  app.decorate('store', store)
  app.decorate('delivery', delivery)
  app.decorate(
    'sessions',
    new Sessions({
      store: store.sessions,
      secrets,
      subjectTagKey,
      policy,
      audit: app.audit,
      delivery,
      refreshLimit: refreshLimit && new EvenLimit(refreshLimit),
    }),
  )
  // Of a store that is lent whoever lent it reports: several apps may be open on it.
  if (!storeIsLent) store.condition.onNews((news) => reportNews(app, news))
  app.addHook('onClose', async () => {
    await delivery.flush()
    if (!storeIsLent) await store.close()
  })
}

// Whose session it is, the token's own request has said.
function reportSkippedUse(app: FastifyInstance, { sid, generation }: DeliveredGeneration): void {
  app.audit.record(undefined, { reason: 'skipped_generation_used', granted: true, sid, generation })
}

/** Records what happened to the store: an alarm as an event, the rest in the log. */
export function reportNews(app: FastifyInstance, { kind, sentence }: StoreNews): void {
  if (kind === 'keys_changed') return
  const reason = kind === 'forged' ? 'record_forged' : 'store_alarm'
  if (kind === 'notice') app.log.warn(sentence)
  else app.audit.record(undefined, { reason, granted: false, detail: sentence })
}

// What this app keeps in memory is of a store that is gone: it answers nothing any more, and another app takes its place.
function refuseWhenReplaced(app: FastifyInstance, condition: StoreCondition): void {
  const ours = condition.replacements
  app.addHook('onRequest', (request, _reply, done) => {
    if (condition.replacements === ours || request.routeOptions.url === '/livez') done()
    else done(problem('store_unavailable', { detail: 'store_replaced' }))
  })
}

/** Fastify plugin: decorates `app.store`, `app.sessions`, `app.delivery`. */
export default fp(sessionStore, {
  name: 'session-store',
  fastify: '5.x',
  dependencies: ['client-address', 'audit'],
  decorators: { fastify: ['audit'] },
})
