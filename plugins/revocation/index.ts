// The plugin `revocation`: what this node knows to be revoked, kept by the follower of the store's log and, for what this
// node revokes itself, at once. `authenticate` asks it on every request; no request ever waits for the store.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { RevocationEntry } from '../session-store/port/store.ts'
import { type FollowerOptions, RevocationFollower } from './follower.ts'
import { type Refusable, RevocationList } from './list.ts'

declare module 'fastify' {
  interface FastifyInstance {
    revocation: RevocationState
  }
}

export interface RevocationOptions {
  /** The longest an access token is honoured by right after it was issued: its life and the verifier's leeway, s. */
  keepForSeconds: number
  /** What the app knows that serves until this one does, at a reload; nothing when absent. */
  before?: () => RevocationState | undefined
  /** When the log has been silent for longer, this node no longer knows, ms. */
  maxStalenessMs: number
  /** What to do then: refuse (503), or honour tokens until they expire. */
  onStale: 'reject' | 'serve'
  /** Hears of each revocation once, and whether it is fresh or was loaded; must neither throw nor wait; nobody when absent. */
  onLearned?: (revocation: RevocationEntry, isFresh: boolean) => void
}

/** What this node knows of the log. */
export interface RevocationStatus {
  /** How long ago it was last read to its end, ms. */
  ageMs: number
  /** Sessions, subjects and tokens that are refused. */
  entries: number
  /** The last place read. */
  position: string
  /** Silent for longer than allowed. */
  isStale: boolean
  /** Entries skipped, being of kinds unknown to this version. */
  unknownEntries: number
  /** How often the log had to be loaded again. */
  reloads: number
}

/** What the rest of the gateway may ask. */
export interface RevocationState {
  /** Whether an access token's session, subject, or the token itself was revoked. Of signing keys the verifier knows. */
  isRevoked(claims: Refusable): boolean
  /** Whether this node can no longer tell who is revoked, and must refuse for it. */
  isStale(): boolean
  status(): RevocationStatus
  /**
   * Calls `listener` for whatever this node revokes, and for what it hears from the log, which may be the same again.
   * It must neither throw nor wait.
   */
  onRevoked(listener: (revocations: readonly RevocationEntry[]) => void): void
  /** Gives the next app's list what is known here, unless it is about a store that was replaced. */
  handOver(next: RevocationList): void
}

const maxWaitMs = 1_000
const shortestWaitMs = 25
/**
 * Of two nodes one may issue by a clock that is ahead and the other check by one that is behind: a token lives longer by both.
 * As much as clocks are ever found to be off: entries cost little.
 */
export const clockMarginMs = 60 * 60_000

/** When the store is another one, no session that this app knows of is left, whenever it began: what is under way ends. */
const everybody: RevocationEntry = { kind: 'everyone', at: Number.MAX_SAFE_INTEGER, reason: 'revoked_by_admin' }

async function revocation(app: FastifyInstance, options: RevocationOptions): Promise<void> {
  const keepForMs = options.keepForSeconds * 1000 + clockMarginMs
  const list = new RevocationList(keepForMs, app.clocks.monotonic)
  options.before?.()?.handOver(list)
  let isReplaced = false
  const listeners: ((revocations: readonly RevocationEntry[]) => void)[] = []
  const onRevoked = (revocations: readonly RevocationEntry[], isFresh: boolean) => {
    const news = revocations.filter((one) => list.add(one))
    for (const listener of listeners) listener(revocations)
    for (const one of news) options.onLearned?.(one, isFresh)
  }
  // One read must end well before the silence would count.
  const waitMs = Math.max(shortestWaitMs, Math.min(maxWaitMs, options.maxStalenessMs / 4))
  const follower = followerOf(app, { lookBackMs: keepForMs, waitMs, onRevoked })
  const isSilent = () => follower.ageMs > options.maxStalenessMs
  app.sessions.onRevoked((one) => onRevoked([one], true))
  app.decorate('revocation', {
    isRevoked: (claims) => list.isRevoked(claims),
    isStale: () => options.onStale === 'reject' && isSilent(),
    status: () => {
      const { ageMs, position, unknownEntries, reloads } = follower
      return { ageMs, entries: list.size, position, isStale: isSilent(), unknownEntries, reloads }
    },
    onRevoked: (listener) => void listeners.push(listener),
    handOver: (next) => void (isReplaced || next.takeOver(list)),
  })
  await follower.start()
  const stopHearing = app.store.condition.onNews(({ kind }) => {
    if (kind !== 'replaced') return
    isReplaced = true
    onRevoked([everybody], false)
  })
  app.clocks.onJump(() => follower.reloadSoon())
  app.clocks.onLook(() => void (app.clocks.isCareful || list.forgetExpired()))
  app.addHook('onClose', async () => {
    stopHearing()
    follower.stop()
  })
}

function followerOf(
  app: FastifyInstance,
  options: Pick<FollowerOptions, 'lookBackMs' | 'waitMs' | 'onRevoked'>,
): RevocationFollower {
  return new RevocationFollower({
    ...options,
    store: app.store,
    clock: app.clocks.now,
    onFailure: (err) => app.outages.note('revocation_log', { err }),
    onUnknown: (entries) =>
      app.log.warn({ entries }, 'the revocation log holds entries that this version does not know'),
    onReloaded: () => app.log.info('the revocation log no longer held this node’s place and was loaded again'),
  })
}

/** Fastify plugin: decorates `app.revocation`. */
export default fp(revocation, {
  name: 'revocation',
  fastify: '5.x',
  dependencies: ['session-store', 'clocks'],
  decorators: { fastify: ['store', 'sessions', 'clocks'] },
})
