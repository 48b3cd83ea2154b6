// The names of all keys of the Redis store. What belongs to one subject has the subject's tag in braces, so that a Cluster
// keeps it in one slot (the scripts make tombstones' names in the same way).
import type { KeyObject } from 'node:crypto'
import type { SubjectTag } from '../../keys/subject-tag.ts'

const sidPattern = /^[A-Za-z0-9_-]{32}$/
const tagCharacters = 8

/** A session's identifier as Redis has it. */
export interface SidParts {
  /** The subject's key: the hash of all its live sessions. */
  subject: string
  tombstone: string
  /** The field of the session in the subject's hash: the 18 random bytes of the sid. */
  field: Buffer
}

export class RedisNames {
  readonly #prefix: string
  #subjectTag: SubjectTag

  /**
   * @param prefix of every key; short, it is part of each session's size
   * @param subjectTag the 8 characters every sid of a subject begins with
   */
  constructor(prefix: string, subjectTag: SubjectTag = unread) {
    this.#prefix = prefix
    this.#subjectTag = subjectTag
  }

  /** Takes another one: the store was replaced. */
  useSubjectTag(subjectTag: SubjectTag): void {
    this.#subjectTag = subjectTag
  }

  /** The key of the seals of records: it comes and goes with the one of tags. */
  get sealKey(): KeyObject | undefined {
    return this.#subjectTag.sealKey
  }

  /** The parts of a sid; undefined for text that cannot be one (two texts must never mean one session). */
  parts(sid: string): SidParts | undefined {
    if (!sidPattern.test(sid)) return undefined
    const [tag, rest] = [sid.slice(0, tagCharacters), sid.slice(tagCharacters)]
    const subject = this.#tagged(tag)
    return { subject, tombstone: subject + rest, field: Buffer.from(rest, 'base64url') }
  }

  /** The subject's key. */
  subject(sub: string): string {
    return this.#tagged(this.#subjectTag(sub))
  }

  /** The sid of a field or of the rest of a sid in a response about this subject. */
  sid(subject: string, rest: string): string {
    return subject.slice(this.#prefix.length + 1, this.#prefix.length + 1 + tagCharacters) + rest
  }

  user(sub: string): string {
    return `${this.subject(sub)}:${sub}`
  }

  /**
   * A budget of attempts, in the slot of its owner: what was tried cannot be read from it. The `t` keeps it apart from whatever
   * belongs to a subject.
   */
  attempts(owner: string, name: string): string {
    return `${this.#prefix}t{${this.#subjectTag(owner)}}${this.#subjectTag(`${owner} ${name}`)}`
  }

  /** A count of uses, of a limit that nodes settle in batches. */
  hits(key: string): string {
    return `${this.#prefix}u{${this.#subjectTag(key)}}`
  }

  /** All user names, in order. */
  get users(): string {
    return `${this.#prefix}users`
  }

  /** Which store this is. */
  get store(): string {
    return `${this.#prefix}store`
  }

  /** Who is an administrator, so that the last one stays. */
  get administrators(): string {
    return `${this.#prefix}admins`
  }

  /** Sealed keys. */
  get keys(): string {
    return `${this.#prefix}keys`
  }

  /** A session's timeline, beside its subject; undefined for text that is no sid. The `/` is in no other name. */
  timeline(sid: string): string | undefined {
    if (!sidPattern.test(sid)) return undefined
    return `${this.#tagged(sid.slice(0, tagCharacters))}/${sid.slice(tagCharacters)}`
  }

  /** What happened: all of it in one slot. `events` is no tag of a subject, which has 8 characters. */
  events(part = ''): string {
    return `${this.#prefix}{events}${part}`
  }

  /** The revocation log. */
  get revocations(): string {
    return `${this.#prefix}revocations`
  }

  /** The global not-before, in the log's slot. */
  get notBefore(): string {
    return `${this.#prefix}not-before:{${this.revocations}}`
  }

  /** When the latest of all sessions began, beside the not-before; as `latest_of` of session.lua. */
  get latest(): string {
    return `${this.notBefore}#`
  }

  /** Written to see whether the store can be written to. */
  get alive(): string {
    return `${this.#prefix}alive`
  }

  /** Which primaries have served the store. */
  get epochs(): string {
    return `${this.#prefix}epochs`
  }

  /** Written to see how far replicas have come, in the slot of the key that was written before it. */
  barrier(key: string): string {
    return `${this.#prefix}f{${/\{(.+?)\}/.exec(key)?.[1] ?? key}}`
  }

  #tagged(tag: string): string {
    return `${this.#prefix}{${tag}}`
  }
}

function unread(): string {
  throw new Error('the key of subjects’ tags has not been read')
}
