// The sessions of the Redis store: each verb is one script in one slot, one round trip. Called through the port only
// (store.ts). It decides nothing and reads nothing before it writes: what is decided, the scripts decide.
import type { Argument, RedisLink } from './redis-link.ts'
import type { RedisNames, SidParts } from './redis-names.ts'
import { readRecord, readTombstone, subjectPrefix, type Tombstone, writeDetails } from './redis-record.ts'
import type { RedisRevocations } from './redis-revocations.ts'
import { type Script, scripts } from './redis-scripts.ts'
import type {
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
  SessionStore,
} from './store.ts'

export interface RedisSessionsOptions {
  link: RedisLink
  names: RedisNames
  log: RedisRevocations
  /** How long entries of the revocation log are kept, ms. */
  keepLogMs: number
  /** In a Cluster the scripts cannot reach the log. */
  isCluster: boolean
  /** Of a test; Redis TIME otherwise. */
  clock: (() => number) | undefined
}

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
    const args = [userRevision, field, ...numbers, subjectPrefix(session.sub), ...writeDetails(session)]
    const [word, record, ...ended] = await this.#write(scripts.create, keys, args)
    if (String(word) === 'user_changed') return { outcome: 'user_changed' }
    if (String(word) !== 'created' || !record) throw new Error(`a session ${session.sid} exists already`)
    const revocations = await this.#announce(subject, ended)
    return { outcome: 'created', session: readRecord(session.sid, record), revocations }
  }

  async rotate({ sid, generation, issuedAtSeconds }: Presented, graceMs: number): Promise<RotateOutcome> {
    const parts = this.#parts(sid)
    if (!parts) return { outcome: 'unknown' }
    const args = [parts.field, generation, issuedAtSeconds, graceMs]
    const [word, record, why] = await this.#write(scripts.rotate, [parts.subject, parts.tombstone], args)
    if (!record) return { outcome: 'unknown' }
    const outcome = oneOf(word, ['rotated', 'ahead', 'retried', 'expired', 'revoked', 'reused'])
    switch (outcome) {
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
        return this.#reusedOutcome(readTombstone(sid, record))
    }
  }

  async read(sid: string): Promise<Session | undefined> {
    const parts = this.#parts(sid)
    if (!parts) return undefined
    const reply = await this.#options.link.run(scripts.read, [parts.subject, parts.tombstone], [parts.field])
    const [word, record] = readReply(reply)
    if (!record) return undefined
    return oneOf(word, ['session', 'ended']) === 'ended' ? readTombstone(sid, record) : readRecord(sid, record)
  }

  async list(sub: string): Promise<Session[]> {
    const subject = this.#options.names.subject(sub)
    const reply = await this.#options.link.run(scripts.list, [subject], [this.#now(), subjectPrefix(sub)])
    return pairs(readReply(reply)).map(([field, record]) =>
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
    const [word, bytes] = await this.#write(scripts.end, keys, [parts.field, reason])
    const outcome = oneOf(word, ['ended', 'ended_before', 'not_live'])
    if (outcome === 'not_live' || !bytes) return { revocations: [] }
    // One that ended before too, as in #revokedOutcome.
    const revocations = await this.#publish([toRevocation(readTombstone(sid, bytes))])
    return { revocations: outcome === 'ended' ? revocations : [] }
  }

  async endAll(sub: string, reason: EndReason, exceptSid?: string): Promise<EndOutcome> {
    const subject = this.#options.names.subject(sub)
    const except = exceptSid === undefined ? undefined : this.#parts(exceptSid)
    const kept = except?.subject === subject ? except.field : ''
    const ended = await this.#write(scripts.endAll, [subject], [subjectPrefix(sub), reason, kept])
    return { revocations: await this.#announce(subject, ended) }
  }

  readRevocations(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage> {
    return this.#options.log.read(after, waitMs)
  }

  // A verb that may end sessions: the log is its last key, where a script may reach it.
  async #write(script: Script, keys: string[], args: readonly Argument[]): Promise<Buffer[]> {
    const { link, names, keepLogMs, isCluster } = this.#options
    if (!isCluster) keys.push(names.revocations)
    return readReply(await link.run(script, keys, [this.#now(), keepLogMs, ...args]))
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

  async #reusedOutcome(session: Tombstone): Promise<RotateOutcome> {
    return { outcome: 'reused', session, revocations: await this.#publish([toRevocation(session)]) }
  }

  // What a script ended, in pairs of the rest of the sid and the tombstone.
  #announce(subject: string, ended: Buffer[]): Promise<Revocation[]> {
    const { names } = this.#options
    return this.#publish(
      pairs(ended).map(([rest, tombstone]) =>
        toRevocation(readTombstone(names.sid(subject, rest.toString()), tombstone)),
      ),
    )
  }

  async #publish(revocations: Revocation[]): Promise<Revocation[]> {
    if (this.#options.isCluster) await this.#options.log.publish(revocations)
    return revocations
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

function toRevocation({ sid, sub, revokedAt, endReason }: Tombstone): Revocation {
  return { kind: 'session', sid, sub, at: revokedAt, reason: endReason }
}

function readReply(reply: unknown): Buffer[] {
  // Boundary: every script of a session answers a list of texts.
  return reply as Buffer[]
}

function pairs(list: readonly Buffer[]): [Buffer, Buffer][] {
  const empty = Buffer.alloc(0)
  return Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i] ?? empty, list[2 * i + 1] ?? empty])
}

// The one place where a script's word becomes a member of the port's unions.
function oneOf<Word extends string>(bytes: Buffer | undefined, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === String(bytes))
  if (word === undefined) throw new Error(`a script of the store answered '${bytes}' instead of ${words.join(', ')}`)
  return word
}
