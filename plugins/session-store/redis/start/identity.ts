// The identity of the store that a Redis holds: an id that is written once, the version of its layout, and the key of its
// subjects' tags. Looked at whenever primaries are, and before any verb answers that there is nothing. It must never let this
// process go on with what it knows of a store when Redis holds another one: emptied, restored, or another Redis behind the
// same address.
import { randomBytes } from 'node:crypto'
import { type SubjectTag, subjectTagKeyId } from '../../../keys/subject-tag.ts'
import type { StoreCondition } from '../../port/condition.ts'
import { type KeyStore, StoreUnavailable } from '../../port/store.ts'
import type { RedisGate } from '../connection/gate.ts'
import type { Argument, RedisLink } from '../connection/link.ts'
import { isKey, isUnreadable, RedisKeys } from '../keys.ts'
import { assertThere } from '../replies.ts'
import { type Script, scripts } from '../scripts.ts'

/** The version of the layout; raised with every change that an older or newer gateway would misread. */
const schemaVersion = 2
/** Any two keys of subjects' tags give these other tags. */
const probes = ['a', 'b', 'c']

export type LoadSubjectTag = (keys: KeyStore) => Promise<SubjectTag>

export interface RedisIdentityOptions {
  link: RedisLink
  /** Of the key that says which store it is, and of the sealed keys. */
  names: { store: string; keys: string }
  gate: RedisGate
  condition: StoreCondition
  /** Reads the key of subjects' tags, or makes it. */
  loadSubjectTag: LoadSubjectTag
  /** Hears the function from a subject to its tag, at start and whenever it is another one. */
  onSubjectTag: (subjectTag: SubjectTag) => void
}

/** What is read at each look. */
interface Seen {
  /** `<version> <id>`; undefined when there is none. */
  text: string | undefined
  /** Sealed, by id. */
  keys: ReadonlyMap<string, string>
}

export class RedisIdentity {
  readonly #options: RedisIdentityOptions
  readonly #keys: RedisKeys
  #seen: Seen = { text: undefined, keys: new Map() }
  /** Sealed, by id: what this node added since it looked last. */
  readonly #added = new Map<string, string>()
  #tags = ''

  constructor(options: RedisIdentityOptions) {
    this.#options = options
    this.#keys = new RedisKeys(pastGate(options.link), options.names.keys)
  }

  /**
   * Finds out which store it is; one that is empty is begun.
   * @throws Error that says what to change, when it cannot be used
   */
  async start(): Promise<void> {
    const seen = await this.#read()
    if (seen.text === undefined && seen.keys.size > 0) throw new Error(noVersion)
    await this.#activate(seen)
  }

  /** A key that this node has added. */
  noteKey(id: string, value: string): void {
    this.#added.set(id, value)
  }

  /**
   * Tells a new primary of the same store the keys that are known: it may have lost one that was added lately.
   * @param primaries their replication ids, with spaces between; another one that answers is told nothing
   * @throws StoreUnavailable when it could not be told; telling it again does no harm
   */
  async restoreKeys(primaries: string): Promise<void> {
    const { link, names } = this.#options
    const known = [...this.#seen.keys, ...this.#added].filter(([id, value]) => isKey(id, value))
    assertThere(await link.run(scripts.restoreKeys, [names.keys], [primaries, ...known.flat()]))
  }

  /**
   * Looks whether it is the same store still. Of another one everything is read anew; one that cannot be read closes the gate.
   * @param isAtStranger its primary has not been told yet what it may have lost: that it lacks a key means nothing
   * @throws StoreUnavailable when it cannot be asked
   */
  async look(isAtStranger: boolean): Promise<void> {
    const { gate, condition } = this.#options
    const seen = await this.#read()
    condition.note('keys_unreadable', unreadableKeys(seen))
    const isSame = seen.text === this.#seen.text && sealedTag(seen) === sealedTag(this.#seen)
    if (!isSame) gate.close('Redis holds another store than before; it is being read anew')
    else if (gate.problem === undefined) return isAtStranger ? undefined : this.#compareKeys(seen)
    try {
      const isReplaced = await this.#activate(seen)
      gate.open()
      condition.note('store_unreadable', undefined)
      if (isReplaced) condition.tell('replaced', replaced)
    } catch (error) {
      if (error instanceof StoreUnavailable || !(error instanceof Error)) throw error
      gate.close(error.message)
      condition.note('store_unreadable', error.message)
    }
  }

  /**
   * Before it is answered that there is nothing: in a store that was emptied or is another one there would be nothing either.
   * @throws StoreUnavailable when it is not the same store
   */
  async assertSame(): Promise<void> {
    const text = await this.#options.link.command('GET', [this.#options.names.store])
    if (text !== null && String(text) === this.#seen.text) return
    this.#options.gate.close('Redis holds another store than before; it is being read anew')
    throw new StoreUnavailable('Redis: it holds another store than before; it is being read anew')
  }

  // Of the same store: signing keys that other nodes made or removed.
  #compareKeys(seen: Seen): void {
    const isSame =
      seen.keys.size === this.#seen.keys.size && [...seen.keys].every(([id, key]) => this.#seen.keys.get(id) === key)
    this.#seen = seen
    for (const id of seen.keys.keys()) this.#added.delete(id)
    if (!isSame) this.#options.condition.tell('keys_changed', 'The sealed keys of the store have changed.')
  }

  // Makes this store the one that is known. @returns whether another one was known before
  async #activate(seen: Seen): Promise<boolean> {
    const before = this.#seen.text
    const text = seen.text ?? (await this.#begin(seen))
    requireVersion(text)
    if (isUnreadable(subjectTagKeyId, sealedTag(seen) ?? '0')) throw new Error(badSubjectTag)
    if (text === before && sealedTag(seen) === undefined) throw new Error(noSubjectTag)
    const subjectTag = await this.#options.loadSubjectTag(this.#keys)
    const tags = probes.map((probe) => subjectTag(probe)).join()
    const isReplaced = before !== undefined && (text !== before || tags !== this.#tags)
    this.#tags = tags
    if (isReplaced) this.#added.clear()
    this.#seen = { ...(await this.#read()), text }
    this.#options.onSubjectTag(subjectTag)
    return isReplaced
  }

  // Of nodes that find it empty together one writes, and all read what it wrote. Where the keys are those that are known, only
  // this one value was lost.
  async #begin({ keys }: Seen): Promise<string> {
    const { text } = this.#seen
    const isOurs = text !== undefined && keys.size > 0 && sealedTag({ text, keys }) === sealedTag(this.#seen)
    const fresh = isOurs ? text : `${schemaVersion} ${randomBytes(16).toString('base64url')}`
    const { link, names } = this.#options
    await pastGate(link).command('SET', [names.store, fresh, 'NX'])
    return String(await pastGate(link).command('GET', [names.store]))
  }

  async #read(): Promise<Seen> {
    const { link, names } = this.#options
    const past = pastGate(link)
    const [text, flat] = await Promise.all([past.command('GET', [names.store]), past.command('HGETALL', [names.keys])])
    // Boundary: HGETALL answers names and values in turn.
    const texts = (flat as Buffer[]).map(String)
    const keys = new Map<string, string>()
    for (let i = 0; i < texts.length; i += 2) keys.set(texts[i] ?? '', texts[i + 1] ?? '')
    return { text: text === null ? undefined : String(text), keys }
  }
}

function sealedTag({ keys }: Seen): string | undefined {
  return keys.get(subjectTagKeyId)
}

// Safe to pass over: tokens that such a key signed are refused, and gateways sign with another.
function unreadableKeys({ keys }: Seen): string | undefined {
  const ids = [...keys].filter((entry) => isUnreadable(...entry)).map(([id]) => JSON.stringify(id.slice(0, 64)))
  if (ids.length === 0) return undefined
  return (
    `Redis holds keys that this version of Cardea cannot read, and passes over (c:keys): ${ids.slice(0, 5).join(', ')}. ` +
    'If no other version wrote them, somebody else writes into this Redis; take them away with HDEL.'
  )
}

// What must be asked to find out whether the gate may be opened.
function pastGate(link: RedisLink): Pick<RedisLink, 'command' | 'run'> {
  const command = (name: string, args: readonly Argument[]) =>
    link.command(name, args, link.deadlineMs, () => link.client.callBuffer(name, [...args]))
  const run = (script: Script, keys: readonly string[], args: readonly Argument[]) =>
    link.run(script, keys, args, link.deadlineMs, true)
  return { command, run }
}

function requireVersion(text: string): void {
  const version = /^(\d+) [\w-]{22}$/.exec(text)?.[1]
  if (version === String(schemaVersion)) return
  throw new Error(
    version === undefined
      ? `The value c:store of this Redis is none that Cardea wrote: use a Redis, or a database of it, of Cardea's own (REDIS_URL).`
      : `The records in this Redis have layout ${version}, and this version of Cardea reads layout ${schemaVersion}: ` +
          'run the version that wrote them, or start with an empty Redis (REDIS_URL).',
  )
}

const noVersion =
  'This Redis holds keys of Cardea and does not say in which layout (there is no c:store): it was written by another version, ' +
  'or a part of it was lost. Restore it whole, or start with an empty Redis (REDIS_URL).'
const noSubjectTag =
  'The key of subjects’ tags is gone from Redis (c:keys), and with it every user would be lost: restore it from a copy, or empty ' +
  'this Redis and add the users again.'
const badSubjectTag =
  'The key of subjects’ tags in Redis is none that Cardea wrote (field subject-tag of c:keys), and without it no user can be found: ' +
  'restore it from a copy, or empty this Redis and add the users again.'
const replaced =
  'Redis holds another store than before: it was emptied, restored, or another Redis serves at its address. Everything is read ' +
  'anew; sessions and access tokens of the store before have ended, and users that the new one lacks must be added again.'
