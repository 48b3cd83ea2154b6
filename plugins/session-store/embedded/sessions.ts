// The sessions of the embedded store: every verb is one transaction around the pure decision of rotation.ts. It holds no
// state of its own: what a verb decides upon is read inside its transaction.

import { type NotBefore, nextNotBefore, noNotBefore, underNotBefore } from '../port/not-before.ts'
import type { SessionPage, SessionPlace } from '../port/sessions.ts'
import type {
  BareRevocation,
  CreateOutcome,
  DeliveredGeneration,
  EndOutcome,
  EndReason,
  LogPosition,
  NewSession,
  Presented,
  RevocationEntry,
  RevocationPage,
  RotateOutcome,
  Session,
  SessionRevocation,
  SessionStore,
} from '../port/store.ts'
import { decide, expiryOf, isGrantedBy, prove, succeed, type UserState } from '../rotation.ts'
import type { Database } from './database.ts'
import type { RevocationLog } from './revocations.ts'
import { EmbeddedSessionList } from './session-page.ts'
import { type SessionRow, toRow, toSession } from './session-row.ts'
import { prepareStatements } from './statements.ts'

export class EmbeddedSessions implements SessionStore {
  readonly #database: Database
  readonly #log: RevocationLog
  readonly #clock: () => number
  readonly #statements: ReturnType<typeof prepareStatements>
  readonly #sessionList: EmbeddedSessionList

  /** @param clock ms; see `openEmbeddedStore` */
  constructor(database: Database, log: RevocationLog, clock: () => number) {
    this.#database = database
    this.#log = log
    this.#clock = clock
    this.#statements = prepareStatements(database)
    this.#sessionList = new EmbeddedSessionList(database)
  }

  /** @throws Error when a session of this `sid` exists already, ended or not; nothing is changed then */
  async create(session: NewSession): Promise<CreateOutcome> {
    return this.#announce(this.#database.write(() => this.#create(session), endsSessions, 'create'))
  }

  async rotate(presented: Presented, graceMs: number): Promise<RotateOutcome> {
    return this.#announce(this.#database.write(() => this.#rotate(presented, graceMs), endsSessions, 'rotate'))
  }

  async read(sid: string): Promise<Session | undefined> {
    return this.#database.read(() => this.#find(sid), 'read')
  }

  async list(sub: string): Promise<Session[]> {
    return this.#database.read(() => this.#live(sub, this.#clock()), 'list')
  }

  async listAll(after: SessionPlace | undefined, limit: number): Promise<SessionPage> {
    return this.#database.read(() => {
      const [now, notBefore] = [this.#clock(), this.#notBefore()]
      return this.#sessionList.page(after, limit, (session) => isLive(underNotBefore(session, notBefore), now))
    }, 'listAll')
  }

  async markDelivered(marks: readonly DeliveredGeneration[]): Promise<DeliveredGeneration[]> {
    // A lost mark is harmless (docs/architecture.md#delivery-proof), so it need not reach the disk.
    const markAll = () => marks.filter((mark) => this.#mark(mark))
    return this.#database.write(markAll, () => false, 'markDelivered')
  }

  async end(sid: string, reason: EndReason): Promise<EndOutcome> {
    return this.#announce(this.#database.writeDurably(() => this.#end(sid, reason), 'end'))
  }

  async endAll(sub: string, reason: EndReason, exceptSid?: string): Promise<EndOutcome & { at: number }> {
    const outcome = this.#database.writeDurably(() => this.#endAll(sub, reason, exceptSid), 'endAll')
    this.#log.wake()
    return outcome
  }

  async endEveryone(reason: EndReason): Promise<{ at: number }> {
    const { at } = this.#database.writeDurably(() => this.#endEveryone(reason))
    this.#log.wake()
    return { at }
  }

  async revoke(revocation: BareRevocation): Promise<RevocationEntry> {
    const dated = { ...revocation, at: this.#clock() }
    this.#database.writeDurably(() => this.#log.append(dated))
    this.#log.wake()
    return dated
  }

  async readRevocations(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage> {
    return this.#log.read(after, waitMs)
  }

  /** Deletes up to `limit` sessions and tombstones whose time has passed; inside a transaction. @returns how many */
  purge(nowMs: number, limit: number): number {
    return Number(this.#statements.purge.run(nowMs, limit).changes)
  }

  #create(fresh: NewSession): CreateOutcome {
    const user = this.#findUser(fresh.sub)
    if (!isGrantedBy(fresh.userRevision, user)) return { outcome: 'user_changed' }
    if (this.#find(fresh.sid)) throw new Error(`a session ${fresh.sid} exists already`)
    const now = this.#clock()
    const revocations = this.#revokeAll(this.#beyondLimit(fresh, now), 'session_limit', now)
    // Whoever was ended with everyone a moment ago may sign in again at once: the not-before is then the next full second. And
    // whose sessions were all ended may, though the clock was set back since.
    const session = begin(fresh, Math.max(now, this.#notBefore().at, user?.endedAt ?? 0))
    this.#statements.insert.run(toRow(session))
    return { outcome: 'created', session, revocations }
  }

  #rotate(presented: Presented, graceMs: number): RotateOutcome {
    const session = this.#find(presented.sid)
    if (!session) return { outcome: 'unknown' }
    const now = this.#clock()
    const decision = decide(session, presented, now, graceMs, this.#findUser(session.sub))
    switch (decision.outcome) {
      case 'rotated':
        return { outcome: 'rotated', session: this.#succeed(session, now, presented) }
      case 'retried':
        if (decision.why === 'lost_answer') return { ...decision, session: this.#succeed(session, now, presented) }
        return { ...decision, session: this.#prove(session, presented.generation) }
      case 'reused':
        return { outcome: 'reused', ...this.#revoke(session, 'revoked_by_reuse', now) }
      case 'user_changed':
        return { outcome: 'user_changed', ...this.#revoke(session, 'user_disabled', now) }
      case 'ahead':
        return { outcome: 'ahead', session }
      case 'expired':
        return { outcome: 'expired', session, why: decision.why }
      case 'revoked':
        return { outcome: 'revoked', session, reason: reasonOf(session) }
    }
  }

  #succeed(session: Session, now: number, { generation }: Presented): Session {
    return this.#replace(succeed(session, Math.max(now, session.createdAt), generation))
  }

  // `prove` in one statement. @returns whether a late retry had skipped the generation: a newer one has been given, and none is proven
  #mark({ sid, generation }: DeliveredGeneration): boolean {
    const news = this.#statements.markDelivered.get(sid, generation)
    return news !== undefined && generation < Number(news['generation'])
  }

  #prove(session: Session, generation: number): Session {
    const proven = prove(session, generation)
    return proven === session ? session : this.#replace(proven)
  }

  #end(sid: string, reason: EndReason): EndOutcome {
    const now = this.#clock()
    const session = this.#find(sid)
    if (!session || !isLive(session, now)) return { revocations: [] }
    return { revocations: this.#revokeAll([session], reason, now) }
  }

  #endAll(sub: string, reason: EndReason, exceptSid: string | undefined): EndOutcome & { at: number } {
    const now = this.#clock()
    const ending = this.#live(sub, now).filter((session) => session.sid !== exceptSid)
    const revocations = this.#revokeAll(ending.reverse(), reason, now)
    // The subject itself, unless one session stays: tokens of sessions that the store does not know (any more) end too.
    if (exceptSid === undefined) {
      this.#log.append({ kind: 'subject', sub, at: now, reason })
      this.#statements.noteEnd.run(now, sub, now)
    }
    return { revocations, at: now }
  }

  #endEveryone(reason: EndReason): NotBefore {
    // Boundary: a maximum, or null. A session may be dated by a clock that was ahead then.
    const { latest } = this.#statements.latest.get() as { latest: number | null }
    const notBefore = { at: nextNotBefore(this.#clock(), Math.max(this.#notBefore().at, latest ?? 0)), reason }
    this.#statements.setNotBefore.run(notBefore.at, reason)
    this.#log.append({ kind: 'everyone', ...notBefore })
    return notBefore
  }

  #notBefore(): NotBefore {
    // Boundary: as in #find.
    return (this.#statements.notBefore.get() as unknown as NotBefore | undefined) ?? noNotBefore
  }

  #revokeAll(sessions: readonly Session[], reason: EndReason, now: number): SessionRevocation[] {
    return sessions.flatMap((session) => this.#revoke(session, reason, now).revocations)
  }

  #revoke(session: Session, reason: EndReason, now: number) {
    const tombstone = this.#bury(session, reason, now)
    return { session: tombstone, revocations: [this.#record(tombstone, reason, now)] }
  }

  #bury(session: Session, endReason: EndReason, now: number): Session {
    return this.#replace({ ...session, revokedAt: now, endReason })
  }

  #record({ sid, sub }: Session, reason: EndReason, at: number): SessionRevocation {
    const revocation: SessionRevocation = { kind: 'session', sid, sub, at, reason }
    this.#log.append(revocation)
    return revocation
  }

  #replace(session: Session): Session {
    const { generation, provenGeneration, rotatedAt, revokedAt, endReason, purgeAt, sid } = toRow(session)
    this.#statements.update.run(generation, provenGeneration, rotatedAt, revokedAt, endReason, purgeAt, sid)
    return session
  }

  #find(sid: string): Session | undefined {
    // Boundary: the columns of a STRICT table that only this program writes.
    const row = this.#statements.find.get(sid) as unknown as SessionRow | undefined
    return row && underNotBefore(toSession(row), this.#notBefore())
  }

  // Newest login first; of two in the same millisecond the one inserted later.
  #live(sub: string, now: number): Session[] {
    // Boundary: as in #find.
    const rows = this.#statements.listBySubject.all(sub) as unknown as SessionRow[]
    const notBefore = this.#notBefore()
    return rows.map(toSession).filter((session) => isLive(underNotBefore(session, notBefore), now))
  }

  // Oldest first. The new one always has its place, so that a limit of 1 means: a login ends the login before.
  #beyondLimit({ sub, maxSessions }: NewSession, now: number): Session[] {
    // Mostly there is room, and counting is much cheaper than reading them all.
    const notEnded = Number(this.#statements.countBySubject.get(sub)?.['sessions'])
    if (notEnded < maxSessions) return []
    return this.#live(sub, now)
      .slice(Math.max(maxSessions - 1, 0))
      .reverse()
  }

  #findUser(sub: string): (UserState & { endedAt: number }) | undefined {
    // Boundary: as in #find.
    const row = this.#statements.findUser.get(sub) as
      | { revision: number; disabled: number; endedAt: number }
      | undefined
    return row && { ...row, disabled: row.disabled === 1 }
  }

  // After the commit: whoever is woken reads what is there for good.
  #announce<T extends Outcome>(outcome: T): T {
    if (endsSessions(outcome)) this.#log.wake()
    return outcome
  }
}

type Outcome = CreateOutcome | RotateOutcome | EndOutcome

function endsSessions(outcome: Outcome): boolean {
  return 'revocations' in outcome && outcome.revocations.length > 0
}

function isLive(session: Session, now: number): boolean {
  return session.revokedAt === undefined && expiryOf(session, now) === undefined
}

// The table checks that a tombstone has its reason (embedded/schema.ts).
function reasonOf(tombstone: Session): EndReason {
  if (tombstone.endReason === undefined) throw new Error(`session ${tombstone.sid} ended without a reason`)
  return tombstone.endReason
}

function begin(fresh: NewSession, createdAt: number): Session {
  const { absoluteTtlSeconds, maxSessions: _limit, ...kept } = fresh
  return {
    ...kept,
    generation: 1,
    provenGeneration: 0,
    rotatedAt: [createdAt],
    createdAt,
    absoluteExpirySeconds: Math.floor(createdAt / 1000) + absoluteTtlSeconds,
  }
}
