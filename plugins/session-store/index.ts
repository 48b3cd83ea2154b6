// The plugin `session-store`: puts a store, its sessions and its delivery marks on the app, and closes the store with it.
// It takes over a store that is open; which adapter that is, only the process that opened it knows.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Secret } from '../secrets.ts'
import { Delivery } from './delivery.ts'
import { type SessionPolicy, Sessions } from './sessions.ts'
import type { Store } from './store.ts'
import { loadSubjectTagKey } from './subject-tag.ts'

declare module 'fastify' {
  interface FastifyInstance {
    store: Store
    sessions: Sessions
    delivery: Delivery
  }
}

export interface SessionStoreOptions {
  store: Store
  /** Whoever opened it closes it, after this app. */
  storeIsLent?: boolean
  /** Newest first. */
  secrets: readonly Secret[]
  policy: SessionPolicy
}

async function sessionStore(app: FastifyInstance, options: SessionStoreOptions): Promise<void> {
  const { store, secrets, policy, storeIsLent = false } = options
  const delivery = new Delivery(store.sessions)
  const subjectTagKey = await loadSubjectTagKey(store.keys, secrets)
  app.decorate('store', store)
  app.decorate('delivery', delivery)
  app.decorate(
    'sessions',
    new Sessions({ store: store.sessions, secrets, subjectTagKey, policy, usage: app.usage, delivery }),
  )
  // A store that is lent outlives this app, and would keep it for ever.
  if (!storeIsLent) store.onNotice((sentence) => app.log.warn(sentence))
  app.addHook('onClose', async () => {
    await delivery.flush()
    if (!storeIsLent) await store.close()
  })
}

/** Fastify plugin: decorates `app.store`, `app.sessions`, `app.delivery`. */
export default fp(sessionStore, {
  name: 'session-store',
  fastify: '5.x',
  dependencies: ['usage'],
  decorators: { fastify: ['usage'] },
})
