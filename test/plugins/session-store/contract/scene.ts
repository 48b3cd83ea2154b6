// The scene of the store contract: an empty store, a clock the test holds, a user to log in. It knows the port (store.ts) and
// nothing of any adapter.
import type {
  CreateOutcome,
  DeliveredGeneration,
  NewSession,
  Presented,
  RevocationEntry,
  RotateOutcome,
  Session,
  SessionRevocation,
  Store,
} from '../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../support/clock.ts'

/** Opens an empty store that reads `clock`. */
export type OpenStore = (clock: Clock) => Promise<Store>

/** What a test needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void>): void
}

export const second = 1000
export const hour = 3600 * second
export const graceMs = 10 * second
export const idleTtlSeconds = 7 * 24 * 3600
export const absoluteTtlSeconds = 30 * 24 * 3600

/** Opens a store with the user `ana` in it, and closes it when the test ends. */
export async function openScene(t: Ending, open: OpenStore, clock: Clock): Promise<ContractScene> {
  const store = await open(clock)
  t.teardown(() => store.close())
  await store.users.add({ sub: 'ana', passwordHash: 'hash of ana', roles: ['reader'], scope: 'orders:read' })
  return new ContractScene(store, clock)
}

export class ContractScene {
  readonly store: Store
  readonly clock: Clock
  #logins = 0

  constructor(store: Store, clock: Clock) {
    this.store = store
    this.clock = clock
  }

  /** A login as the gateway would send it; every one has a `sid` of its own. */
  newSession(change: Partial<NewSession> = {}): NewSession {
    this.#logins += 1
    return {
      sid: `AAAAAAAA${String(this.#logins).padStart(24, '0')}`,
      sub: 'ana',
      idleTtlSeconds,
      absoluteTtlSeconds,
      roles: ['reader', 'writer'],
      scope: 'orders:read orders:write',
      device: 'Firefox on Linux',
      ip: '192.0.2.7',
      amr: ['pwd'],
      maxSessions: 100,
      userRevision: 1,
      ...change,
    }
  }

  /** Logs in. @throws when the store refuses */
  async login(change: Partial<NewSession> = {}): Promise<Session> {
    return sessionOf(await this.store.sessions.create(this.newSession(change)))
  }

  /** Presents the token that `session` stands for. */
  rotate(session: Session, grace = graceMs): Promise<RotateOutcome> {
    return this.store.sessions.rotate(tokenOf(session), grace)
  }

  /** Presents the newest token. @returns the session afterwards. @throws when the store refuses */
  async advanceGeneration(session: Session): Promise<Session> {
    return sessionOf(await this.rotate(session))
  }

  /** Tells the store that this generation has been seen in use. @returns those that had been skipped */
  deliver({ sid, generation }: Session): Promise<DeliveredGeneration[]> {
    return this.store.sessions.markDelivered([{ sid, generation }])
  }

  read({ sid }: Session): Promise<Session | undefined> {
    return this.store.sessions.read(sid)
  }
}

/** The token of a session's newest generation, as a refresh presents it. */
export function tokenOf({ sid, generation, rotatedAt }: Session): Presented {
  return { sid, generation, issuedAtSeconds: Math.floor((rotatedAt[0] ?? 0) / 1000) }
}

/** Of entries of the log, those that name a session. */
export function ofSessions(revocations: readonly RevocationEntry[]): SessionRevocation[] {
  return revocations.filter((revocation) => revocation.kind === 'session')
}

/** @throws when the outcome is not the successful one */
export function sessionOf(outcome: CreateOutcome | RotateOutcome): Session {
  if (outcome.outcome !== 'created' && outcome.outcome !== 'rotated') throw new Error(`not granted: ${outcome.outcome}`)
  return outcome.session
}

/** Fails a wait that would never end; its timer also keeps the process alive while only unref'ed timers are left. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`nothing came within ${ms} ms`)), ms)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
