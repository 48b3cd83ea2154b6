// Both stores for a test of behaviour: each call opens the same sessions once more, as another node would.
import type { Test } from 'tap'
import { deriveSecrets } from '../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../plugins/keys/subject-tag.ts'
import { openEmbeddedStore } from '../../plugins/session-store/embedded/index.ts'
import type { KeyStore, Store } from '../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../plugins/session-store/redis/index.ts'
import { subjectTag } from '../../plugins/session-store/refresh-token.ts'
import type { Clock } from './clock.ts'
import { gatewaySecret } from './gateway.ts'
import { newPrefix, sharedRedis } from './redis/server.ts'

/** What opens a store; each call on the same one of Redis opens the same sessions. */
export type StoreOpener = (clock: Clock) => Promise<Store>

/** By name, what makes an empty store. */
export async function bothStores(t: Test): Promise<Record<'embedded' | 'Redis', () => StoreOpener>> {
  const url = await sharedRedis(t)
  return { embedded: () => openEmbedded, Redis: () => onRedis(url) }
}

async function openEmbedded(clock: Clock): Promise<Store> {
  return openEmbeddedStore({ file: ':memory:', clock: clock.now })
}

function onRedis(url: string): StoreOpener {
  const prefix = newPrefix()
  return (clock) => openRedisStore({ url, prefix, clock: clock.now, loadSubjectTag, deadlineMs: 10_000 })
}

async function loadSubjectTag(keys: KeyStore): Promise<(sub: string) => string> {
  const key = await loadSubjectTagKey(keys, deriveSecrets([gatewaySecret]))
  return (sub) => subjectTag(sub, key)
}
