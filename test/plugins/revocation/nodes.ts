// Several gateways on one Redis, in this process: for tests of what one node learns of another. Each has connections and a
// follower of its own; what is known to one is known to the others by the log alone.
import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey, subjectTagOf } from '../../../plugins/keys/subject-tag.ts'
import type { KeyStore, Store } from '../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../plugins/session-store/redis/index.ts'
import type { Clock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import {
  bearer,
  type GatewayOverrides,
  gatewaySecret,
  startGateway,
  type TestGateway,
  type Tokens,
} from '../../support/gateway.ts'

/** Opens a store that reads the test's clock, or with `isHeld` false that of Redis. */
export function opener(url: string, prefix: string, isHeld = true): (clock: Clock) => Promise<Store> {
  const loadSubjectTag = async (keys: KeyStore) => {
    return subjectTagOf(await loadSubjectTagKey(keys, deriveSecrets([gatewaySecret])))
  }
  const common = { url, prefix, loadSubjectTag, deadlineMs: 10_000 }
  return (clock) => openRedisStore({ ...common, ...(isHeld && { clock: clock.now }) })
}

/** Two gateways on one Redis, with one clock. */
export async function startNodes(t: Test, url: string, prefix: string, overrides: GatewayOverrides & { clock: Clock }) {
  const openStore = opener(url, prefix)
  const here = await startGateway(t, { ...overrides, openStore })
  const there = await startGateway(t, { ...overrides, openStore })
  return { here, there }
}

/** What a node answers to an access token. */
export async function statusAt({ app }: TestGateway, tokens: Pick<Tokens, 'access_token'>): Promise<number> {
  return (await app.inject({ url: '/auth/sessions', headers: bearer(tokens) })).statusCode
}

/** Waits until a node refuses an access token. */
export function refusedAt(node: TestGateway, tokens: Pick<Tokens, 'access_token'>): Promise<void> {
  return eventually('the access token is refused', async () => (await statusAt(node, tokens)) === 401, 5_000)
}

/** An id that no token has. */
export function newJti(): string {
  return randomBytes(18).toString('base64url')
}
