// The sessions of the Redis store: each verb is one script in one slot, one round trip. Called through the port only
// (store.ts). It decides nothing and reads nothing before it writes, but for the not-before in a Cluster, which its scripts
// cannot reach: what is decided, the scripts decide.
import { judgedBy } from './not-before.ts'
import type { RedisEpochs } from './redis-epochs.ts'
import type { RedisFence } from './redis-fence.ts'
import type { RedisIdentity } from './redis-identity.ts'
import type { RedisJournal } from './redis-journal.ts'
import type { Argument, RedisLink } from './redis-link.ts'
import type { RedisNames, SidParts } from './redis-names.ts'
import { readRecord, readTombstone, subjectPrefix, type Tombstone, toRevocation, writeDetails } from './redis-record.ts'
import { oneOf, pairs, readReply, saysNothing } from './redis-reply.ts'
import type { RedisRevocations } from './redis-revocations.ts'
import { type Script, scripts } from './redis-scripts.ts'
import { readSessionPage } from './redis-session-list.ts'
import type { SessionPage, SessionPlace } from './session-list.ts'
import type {
  BareRevocation,
  CreateOutcome,
  DeliveryMark,
  EndOutcome,
  EndReason,
  LogPosition,
  NewSession,
  Presented,
  Revocation,
  RevocationPage,
  RotateOutcome,
  Session,
  SessionRevocation,
  SessionStore,
} from './store.ts'

export interface RedisSessionsOptions {
  link: RedisLink
  names: RedisNames
  log: RedisRevocations
  /** Which primaries may rotate. */
  epochs: RedisEpochs
  /** What this node tells a new primary. */
  journal: RedisJournal
  /** Whether it is the same store still. */
  identity: RedisIdentity
  /** Waits for a replica. */
  fence: RedisFence
  /** How long entries of the revocation log are kept, ms. */
  keepLogMs: number
  /** In a Cluster the scripts cannot reach the log. */
  isCluster: boolean
  /** Of a test; Redis TIME otherwise. */
  clock: (() => number) | undefined
}

/** Design 2.3: a token that is further ahead of the store than this is not adopted. */
const mostLostGenerations = 8
/** What is left of a deadline for the answer to a rotation that had to wait before it was sent, ms. */
const answerMs = 100

export class RedisSessions implements SessionStore {
  readonly #options: RedisSessionsOptions

  constructor(options: RedisSessionsOptions) {
    this.#options = options
  }

  /** @throws Error when another session of this `sid` exists already, ended or not; nothing is changed then */
  async create(session: NewSession): Promise<CreateOutcome> {
    const { subject, tombstone, field } = this.#assertParts(session)
    const keys = [subject, this.#options.names.user(session.sub), tombstone]
    const { userRevision, idleTtlSeconds, absoluteTtlSeconds, maxSessions } = session
    const numbers = [idleTtlSeconds, absoluteTtlSeconds, maxSessions]
    const given = await this.#givenNotBefore()
    const args = [userRevision, field, ...numbers, subjectPrefix(session.sub), given, ...writeDetails(session)]
    const [word, record, ...ended] = await this.#write(scripts.create, keys, args)
    if (String(word) === 'user_changed') return { outcome: 'user_changed' }
    if (String(word) !== 'created' || !record) throw new Error(`a session ${session.sid} exists already`)
    const revocations = await this.#announce(subject, ended)
    return { outcome: 'created', session: readRecord(session.sid, record), revocations }
  }

  async rotate(presented: Presented, graceMs: number): Promise<RotateOutcome> {
    const { isCluster, log } = this.#options
    if (!isCluster) return this.#rotate(presented, graceMs)
    // There the script cannot see the not-before. Asked beside it, and not after: one that was set before this call is seen.
    const [outcome, notBefore] = await Promise.all([this.#rotate(presented, graceMs), log.readNotBefore()])
    return judgedBy(outcome, notBefore)
  }

  async #rotate({ sid, generation, issuedAtSeconds }: Presented, graceMs: number): Promise<RotateOutcome> {
    const parts = this.#parts(sid)
    if (!parts) return { outcome: 'unknown' }
    const args = [parts.field, generation, issuedAtSeconds, graceMs]
    const [word, record, why] = await this.#decide(parts, args, issuedAtSeconds)
    if (!record) return { outcome: 'unknown' }
    const outcome = oneOf(word, ['rotated', 'healed', 'ahead', 'retried', 'expired', 'revoked', 'reused'])
    switch (outcome) {
      case 'healed':
        return { outcome, session: readRecord(sid, record), lostGenerations: Number(why) }
      case 'rotated':
      case 'ahead':
        return { outcome, session: readRecord(sid, record) }
      case 'retried':
        return { outcome, session: readRecord(sid, record), why: oneOf(why, ['lost_answer', 'concurrent']) }
      case 'expired':
        return { outcome, session: readRecord(sid, record), why: oneOf(why, ['idle', 'absolute']) }
      case 'revoked':
        return this.#revokedOutcome(readTombstone(sid, record))
      case 'reused':
        return this.#reusedOutcome(readTombstone(sid, record), parts.subject)
    }
  }

  // A token that is ahead of the store is judged once more when the store may have lost writes: healing is rare, and in a
  // Cluster the epochs lie in another slot than the session.
  async #decide(parts: SidParts, args: readonly Argument[], issuedAtSeconds: number): Promise<Buffer[]> {
    const reply = await this.#decidePrepared(parts, args, 0)
    if (String(reply[0]) !== 'ahead' || !(await this.#options.epochs.mayBeLost(issuedAtSeconds))) return reply
    return this.#decidePrepared(parts, args, mostLostGenerations)
  }

  // A primary that is not prepared yet refuses; within the deadline it is waited for, but for what the answer may take: a
  // rotation that is sent at the last moment would be refused here and carried out there.
  async #decidePrepared(parts: SidParts, args: readonly Argument[], adopted: number): Promise<Buffer[]> {
    const { link, epochs } = this.#options
    const startedAt = performance.now()
    for (;;) {
      const restMs = link.deadlineMs - (performance.now() - startedAt)
      const keys = [parts.subject, parts.tombstone]
      const reply = await this.#write(scripts.rotate, keys, [...args, epochs.prepared, adopted], restMs)
      if (String(reply[0]) !== 'new_primary') return reply
      await epochs.untilPrepared(link.deadlineMs - answerMs - (performance.now() - startedAt))
    }
  }

  async read(sid: string): Promise<Session | undefined> {
    const parts = this.#parts(sid)
    if (!parts) return undefined
    const given = await this.#givenNotBefore()
    const [word, record] = await this.#show(scripts.read, [parts.subject, parts.tombstone], [parts.field, given])
    if (!record) return undefined
    return oneOf(word, ['session', 'ended']) === 'ended' ? readTombstone(sid, record) : readRecord(sid, record)
  }

  async list(sub: string): Promise<Session[]> {
    return this.#list(sub, await this.#givenNotBefore())
  }

  async listAll(after: SessionPlace | undefined, limit: number): Promise<SessionPage> {
    const given = await this.#givenNotBefore()
    return readSessionPage({ ...this.#options, list: (sub) => this.#list(sub, given) }, after, limit)
  }

  async #list(sub: string, given: Argument): Promise<Session[]> {
    const subject = this.#options.names.subject(sub)
    const args = [this.#now(), subjectPrefix(sub), given]
    return pairs(await this.#show(scripts.list, [subject], args)).map(([field, record]) =>
      readRecord(this.#options.names.sid(subject, field.toString('base64url')), record),
    )
  }

  async markDelivered(marks: readonly DeliveryMark[]): Promise<void> {
    this.#options.link.assertOpen()
    // Written one after the other to one connection without waiting: one round trip for all of them.
    await Promise.all(marks.map((mark) => this.#mark(mark)))
  }

  async end(sid: string, reason: EndReason): Promise<EndOutcome> {
    const parts = this.#parts(sid)
    if (!parts) return { revocations: [] }
    const keys = [parts.subject, parts.tombstone]
    const given = await this.#givenNotBefore()
    const [word, bytes] = await this.#write(scripts.end, keys, [parts.field, reason, given])
    const outcome = oneOf(word, ['ended', 'ended_before', 'not_live'])
    if (outcome === 'not_live' || !bytes) return { revocations: [] }
    // One that ended before too, as in #revokedOutcome.
    const revocations = await this.#settle([toRevocation(readTombstone(sid, bytes))], parts.subject)
    return { revocations: outcome === 'ended' ? revocations : [] }
  }

  async endAll(sub: string, reason: EndReason, exceptSid?: string): Promise<EndOutcome & { at: number }> {
    const subject = this.#options.names.subject(sub)
    const except = exceptSid === undefined ? undefined : this.#parts(exceptSid)
    // Another subject's sid protects nothing, but it is an exception asked for: no field has one character.
    const kept = exceptSid === undefined ? '' : except?.subject === subject ? except.field : '-'
    const given = await this.#givenNotBefore()
    const args = [subjectPrefix(sub), reason, kept, given]
    const [at, ...ended] = await this.#write(scripts.endAll, [subject], args)
    const revocations = await this.#announce(subject, ended)
    if (exceptSid === undefined) await this.#settle([{ kind: 'subject', sub, at: Number(at), reason }], subject)
    return { revocations, at: Number(at) }
  }

  async endEveryone(reason: EndReason): Promise<{ at: number }> {
    const { at } = await this.#options.log.endEveryone(reason)
    await this.#confirm([{ kind: 'everyone', at, reason }], this.#options.names.revocations)
    return { at }
  }

  async revoke(revocation: BareRevocation): Promise<Revocation> {
    const revoked = await this.#options.log.revoke(revocation)
    await this.#confirm([revoked], this.#options.names.revocations)
    return revoked
  }

  async readRevocations(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage> {
    const page = await this.#options.log.read(after, waitMs)
    this.#options.journal.note(page.revocations)
    return page
  }

  // A verb that may end sessions: the log and the not-before are its last keys, where a script may reach them.
  async #write(script: Script, keys: string[], args: readonly Argument[], deadlineMs?: number): Promise<Buffer[]> {
    const { link, names, keepLogMs, isCluster } = this.#options
    if (!isCluster) keys.push(names.revocations, names.notBefore)
    const reply = readReply(await link.run(script, keys, [this.#now(), keepLogMs, ...args], deadlineMs))
    if (saysNothing(reply)) await this.#options.identity.assertSame()
    return reply
  }

  // A verb that only shows sessions.
  async #show(script: Script, keys: string[], args: readonly Argument[]): Promise<Buffer[]> {
    const { link, names, isCluster } = this.#options
    if (!isCluster) keys.push(names.notBefore)
    const reply = readReply(await link.run(script, keys, args))
    if (saysNothing(reply)) await this.#options.identity.assertSame()
    return reply
  }

  // In a Cluster the scripts cannot reach the not-before and are given it; elsewhere they read it themselves.
  async #givenNotBefore(): Promise<Argument> {
    const { isCluster, log } = this.#options
    if (!isCluster) return ''
    const { at, reason } = await log.readNotBefore()
    return at === 0 ? '' : `${at} ${reason}`
  }

  async #mark({ sid, generation }: DeliveryMark): Promise<void> {
    const parts = this.#parts(sid)
    if (parts) await this.#options.link.run(scripts.deliver, [parts.subject], [parts.field, generation])
  }

  // Published again in a Cluster: the answer that ended it may have been lost before it was published.
  async #revokedOutcome(session: Tombstone): Promise<RotateOutcome> {
    await this.#publish([toRevocation(session)])
    return { outcome: 'revoked', session, reason: session.endReason }
  }

  async #reusedOutcome(session: Tombstone, subject: string): Promise<RotateOutcome> {
    return { outcome: 'reused', session, revocations: await this.#settle([toRevocation(session)], subject) }
  }

  // What a script ended, in pairs of the rest of the sid and the tombstone.
  #announce(subject: string, ended: Buffer[]): Promise<SessionRevocation[]> {
    const { names } = this.#options
    return this.#settle(
      pairs(ended).map(([rest, tombstone]) =>
        toRevocation(readTombstone(names.sid(subject, rest.toString()), tombstone)),
      ),
      subject,
    )
  }

  // What a verb has ended, before it answers: remembered here, in the log, and at a replica.
  async #settle<R extends Revocation>(revocations: R[], subject: string): Promise<R[]> {
    const confirmed = this.#confirm(revocations, subject)
    await this.#publish(revocations)
    await confirmed
    return revocations
  }

  async #confirm(revocations: readonly Revocation[], key: string): Promise<void> {
    this.#options.journal.note(revocations)
    if (revocations.length > 0) await this.#options.fence.confirm(key)
  }

  async #publish(revocations: readonly Revocation[]): Promise<void> {
    if (this.#options.isCluster) await this.#options.log.publish(revocations)
  }

  #now(): Argument {
    return this.#options.clock?.() ?? ''
  }

  // Undefined: no session can have this sid, so Redis need not be asked.
  #parts(sid: string): SidParts | undefined {
    this.#options.link.assertOpen()
    return this.#options.names.parts(sid)
  }

  #assertParts({ sid, sub }: NewSession): SidParts {
    const parts = this.#parts(sid)
    if (parts?.subject === this.#options.names.subject(sub)) return parts
    throw new Error(
      `'${sid}' is not a sid of this subject: it must have 32 characters and begin with the subject's tag`,
    )
  }
}
