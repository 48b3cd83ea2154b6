// The sessions of the Redis store: each verb is one script in one slot, one round trip. It decides nothing and reads nothing
// before it writes, but for the not-before in a Cluster, which its scripts cannot reach: what is decided, the scripts decide.

import type { RecordSeals } from '../../keys/record-seal.ts'
import { checkedBy } from '../port/not-before.ts'
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
import type { Argument } from './connection/link.ts'
import type { RecentRevocations } from './failover/recent-revocations.ts'
import type { ReplicationBarrier } from './failover/replication-barrier.ts'
import type { SidParts } from './key-names.ts'
import { oneOf, pairs } from './replies.ts'
import { scripts } from './scripts.ts'
import { readSessionPage } from './session-page.ts'
import {
  readRecord,
  readSealed,
  readTombstone,
  subjectPrefix,
  type Tombstone,
  toRevocation,
  writeDetails,
} from './session-record.ts'
import { RedisVerbs, type RedisVerbsOptions } from './verbs.ts'

export interface RedisSessionsOptions extends RedisVerbsOptions {
  /** Tells what a gateway wrote from what somebody else did. */
  seals: RecordSeals
  /** What this node tells a new primary. */
  recentRevocations: RecentRevocations
  /** Waits for a replica. */
  barrier: ReplicationBarrier
}

/** A token that is further ahead of the store than this is not adopted (docs/architecture.md#the-life-of-a-failover). */
const maxLostGenerations = 8
const rotateWords = ['rotated', 'healed', 'ahead', 'retried', 'expired', 'revoked', 'reused', 'user_changed'] as const
export class RedisSessions implements SessionStore {
  readonly #options: RedisSessionsOptions
  readonly #verbs: RedisVerbs

  constructor(options: RedisSessionsOptions) {
    this.#options = options
    this.#verbs = new RedisVerbs(options)
  }

  /** @throws Error when another session of this `sid` exists already, ended or not; nothing is changed then */
  async create(session: NewSession): Promise<CreateOutcome> {
    const { subject, tombstone, field } = this.#assertParts(session)
    const keys = [subject, this.#options.names.user(session.sub), tombstone]
    const { userRevision, idleTtlSeconds, absoluteTtlSeconds, maxSessions } = session
    const numbers = [idleTtlSeconds, absoluteTtlSeconds, maxSessions]
    const given = await this.#verbs.givenNotBefore()
    const args = [userRevision, field, ...numbers, subjectPrefix(session.sub), given]
    const details = writeDetails(session, this.#options.seals)
    const [word, record, ...ended] = await this.#verbs.writePrepared(scripts.create, keys, (prepared) => [
      ...args,
      prepared,
      ...details,
    ])
    if (String(word) === 'user_changed') return { outcome: 'user_changed' }
    if (String(word) !== 'created' || !record) throw new Error(`a session ${session.sid} exists already`)
    const created = readRecord(session.sid, record)
    const { isCluster, log } = this.#options
    if (isCluster) await log.noteBeginning(created)
    return { outcome: 'created', session: created, revocations: await this.#announce(subject, ended) }
  }

  async rotate(presented: Presented, graceMs: number): Promise<RotateOutcome> {
    const { isCluster, log } = this.#options
    if (!isCluster) return this.#rotate(presented, graceMs)
    // There the script cannot see the not-before. Asked beside it, and not after: one that was set before this call is seen.
    const [outcome, notBefore] = await Promise.all([this.#rotate(presented, graceMs), log.readNotBefore()])
    return checkedBy(outcome, notBefore)
  }

  async #rotate({ sid, generation, issuedAtSeconds }: Presented, graceMs: number): Promise<RotateOutcome> {
    const parts = this.#parts(sid)
    if (!parts) return { outcome: 'unknown' }
    const decide = (activated: number) =>
      this.#verbs.writePrepared(scripts.rotate, [parts.subject, parts.tombstone], (prepared) => [
        parts.field,
        generation,
        issuedAtSeconds,
        graceMs,
        prepared,
        activated,
      ])
    let reply = await decide(0)
    // A token that is ahead of the store is checked once more when the store may have lost writes: healing is rare, and in a
    // Cluster the epochs lie in another slot than the session.
    if (String(reply[0]) === 'ahead' && (await this.#options.epochs.mayBeLost(issuedAtSeconds))) {
      reply = await decide(maxLostGenerations)
    }
    const [word, record, why] = reply
    if (!record) return { outcome: 'unknown' }
    const outcome = oneOf(word, rotateWords)
    switch (outcome) {
      case 'rotated':
      case 'retried':
      case 'healed': {
        const session = readSealed(sid, record, this.#options.seals)
        // What no gateway wrote gives nobody anything: as if it were not there.
        return session ? grantedOutcome(outcome, session, why) : { outcome: 'unknown' }
      }
      case 'ahead':
        return { outcome, session: readRecord(sid, record) }
      case 'expired':
        return { outcome, session: readRecord(sid, record), why: oneOf(why, ['idle', 'absolute']) }
      case 'revoked':
        return this.#revokedOutcome(readTombstone(sid, record))
      case 'reused':
      case 'user_changed':
        return this.#endedOutcome(outcome, readTombstone(sid, record), parts.subject)
    }
  }

  async read(sid: string): Promise<Session | undefined> {
    const parts = this.#parts(sid)
    if (!parts) return undefined
    const given = await this.#verbs.givenNotBefore()
    const [word, record] = await this.#verbs.show(scripts.read, [parts.subject, parts.tombstone], [parts.field, given])
    if (!record) return undefined
    if (oneOf(word, ['session', 'ended']) === 'ended') return readTombstone(sid, record)
    return readSealed(sid, record, this.#options.seals)
  }

  async list(sub: string): Promise<Session[]> {
    return this.#list(sub, await this.#verbs.givenNotBefore())
  }

  async listAll(after: SessionPlace | undefined, limit: number): Promise<SessionPage> {
    const { link } = this.#options
    const startedAt = performance.now()
    const given = await this.#verbs.givenNotBefore()
    const page = readSessionPage({ ...this.#options, list: (sub) => this.#list(sub, given) }, after, limit)
    return page.finally(() => link.latency.note('listAll', startedAt))
  }

  async #list(sub: string, given: Argument): Promise<Session[]> {
    const subject = this.#options.names.subject(sub)
    const args = [this.#verbs.now(), subjectPrefix(sub), given]
    const found = pairs(await this.#verbs.show(scripts.list, [subject], args)).map(([field, record]) => {
      const sid = this.#options.names.sid(subject, field.toString('base64url'))
      return readSealed(sid, record, this.#options.seals)
    })
    return found.filter((session) => session !== undefined)
  }

  async markDelivered(marks: readonly DeliveredGeneration[]): Promise<DeliveredGeneration[]> {
    this.#options.link.assertOpen()
    // Written one after the other to one connection without waiting: one round trip for all of them.
    const skipped = await Promise.all(marks.map((mark) => this.#mark(mark)))
    return marks.filter((_, i) => skipped[i])
  }

  async end(sid: string, reason: EndReason): Promise<EndOutcome> {
    const parts = this.#parts(sid)
    if (!parts) return { revocations: [] }
    const keys = [parts.subject, parts.tombstone]
    const given = await this.#verbs.givenNotBefore()
    const [word, bytes] = await this.#verbs.write(scripts.end, keys, [parts.field, reason, given])
    const outcome = oneOf(word, ['ended', 'ended_before', 'not_live'])
    if (outcome === 'not_live' || !bytes) return { revocations: [] }
    // One that ended before too, as in #revokedOutcome.
    const revocations = await this.#publishRevocations([toRevocation(readTombstone(sid, bytes))], parts.subject)
    return { revocations: outcome === 'ended' ? revocations : [] }
  }

  async endAll(sub: string, reason: EndReason, exceptSid?: string): Promise<EndOutcome & { at: number }> {
    const subject = this.#options.names.subject(sub)
    const except = exceptSid === undefined ? undefined : this.#parts(exceptSid)
    // Another subject's sid protects nothing, but it is an exception asked for: no field has one character.
    const kept = exceptSid === undefined ? '' : except?.subject === subject ? except.field : '-'
    const given = await this.#verbs.givenNotBefore()
    const args = [subjectPrefix(sub), reason, kept, given]
    const [at, ...ended] = await this.#verbs.write(scripts.endAll, [subject], args)
    const revocations = await this.#announce(subject, ended)
    if (exceptSid === undefined)
      await this.#publishRevocations([{ kind: 'subject', sub, at: Number(at), reason }], subject)
    return { revocations, at: Number(at) }
  }

  async endEveryone(reason: EndReason): Promise<{ at: number }> {
    const { at } = await this.#options.log.endEveryone(reason)
    await this.#confirm([{ kind: 'everyone', at, reason }], this.#options.names.revocations)
    return { at }
  }

  async revoke(revocation: BareRevocation): Promise<RevocationEntry> {
    const revoked = await this.#options.log.revoke(revocation)
    await this.#confirm([revoked], this.#options.names.revocations)
    return revoked
  }

  async readRevocations(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage> {
    const page = await this.#options.log.read(after, waitMs)
    this.#options.recentRevocations.note(page.revocations)
    return page
  }

  /** @returns whether the generation had been skipped */
  async #mark({ sid, generation }: DeliveredGeneration): Promise<boolean> {
    const parts = this.#parts(sid)
    if (!parts) return false
    return (await this.#options.link.run(scripts.markDelivered, [parts.subject], [parts.field, generation])) === 1
  }

  // Published again in a Cluster: the response that ended it may have been lost before it was published.
  async #revokedOutcome(session: Tombstone): Promise<RotateOutcome> {
    await this.#publish([toRevocation(session)])
    return { outcome: 'revoked', session, reason: session.endReason }
  }

  async #endedOutcome(outcome: 'reused' | 'user_changed', session: Tombstone, subject: string): Promise<RotateOutcome> {
    return { outcome, session, revocations: await this.#publishRevocations([toRevocation(session)], subject) }
  }

  // What a script ended, in pairs of the rest of the sid and the tombstone.
  #announce(subject: string, ended: Buffer[]): Promise<SessionRevocation[]> {
    const { names } = this.#options
    return this.#publishRevocations(
      pairs(ended).map(([rest, tombstone]) =>
        toRevocation(readTombstone(names.sid(subject, rest.toString()), tombstone)),
      ),
      subject,
    )
  }

  // What a verb has ended, before it answers: remembered here, in the log, and at a replica.
  async #publishRevocations<R extends RevocationEntry>(revocations: R[], subject: string): Promise<R[]> {
    const confirmed = this.#confirm(revocations, subject)
    await this.#publish(revocations)
    await confirmed
    return revocations
  }

  async #confirm(revocations: readonly RevocationEntry[], key: string): Promise<void> {
    this.#options.recentRevocations.note(revocations)
    if (revocations.length > 0) await this.#options.barrier.confirm(key)
  }

  async #publish(revocations: readonly RevocationEntry[]): Promise<void> {
    if (this.#options.isCluster) await this.#options.log.publish(revocations)
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

function grantedOutcome(
  outcome: 'rotated' | 'retried' | 'healed',
  session: Session,
  why: Buffer | undefined,
): RotateOutcome {
  switch (outcome) {
    case 'rotated':
      return { outcome, session }
    case 'retried':
      return { outcome, session, why: oneOf(why, ['lost_answer', 'concurrent']) }
    case 'healed':
      return { outcome, session, lostGenerations: Number(why) }
  }
}
