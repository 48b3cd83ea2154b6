// The signing keys of this gateway: read from the store, made when there is none, replaced on schedule with overlap, removed
// when nothing they signed can still be valid. A request never waits for anything here.
import { createHash, randomBytes } from 'node:crypto'
import { openAndReseal, openKey, sealKey, unopenable } from '../keys/sealed-key.ts'
import type { Secret } from '../keys/secrets.ts'
import { type KeyStore, type SealedKey, StoreUnavailable } from '../session-store/port/store.ts'
import {
  generateKey,
  isSigningAlgorithm,
  type KeyMaterial,
  type PublicJwk,
  readKey,
  type SigningAlgorithm,
} from './key-material.ts'
import type { Signer, SigningKey } from './signing-key.ts'

export type { Signer, SigningKey, TokenType } from './signing-key.ts'

/** How long others may keep our JWKS: the `max-age` it is served with. */
export const jwksMaxAgeSeconds = 300

/** How often every node reads the list of keys again. */
export const reloadEverySeconds = 60

/** At most this often an unknown `kid` makes a node read the list early. */
const unknownKidPauseMs = 1_000

export interface SigningKeysOptions {
  store: KeyStore
  /** Newest first. */
  secrets: readonly Secret[]
  /** Of new keys. Keys of another algorithm are still used until they are replaced. */
  alg: SigningAlgorithm
  rotateEverySeconds: number
  /** The longest an access token can be honoured: its life and the verifier's leeway. */
  keepForSeconds: number
  /** Milliseconds. */
  clock: () => number
  openSigner: (material: KeyMaterial) => Promise<Signer>
  /** Told of each key this node made. */
  onMade: (key: { kid: string; alg: SigningAlgorithm; activeFrom: number }) => void
  /** Told of what went wrong off the request's path. */
  onFailure: (error: unknown) => void
}

export interface RotateOptions {
  /**
   * For a key that has leaked: the new key signs at once and all others are removed, so every access token out there is
   * refused and clients refresh. Services that keep our JWKS learn of the new key when they next read it.
   */
  immediately?: boolean
}

type OpenRow = (row: SealedKey) => Promise<SigningKey | undefined>

export class SigningKeys {
  readonly #options: SigningKeysOptions
  /** From publishing a key to its first use: whoever kept our JWKS, from whichever node, has read it again by then. */
  readonly #publishAheadMs: number
  readonly #keepMs: number
  #byKid: ReadonlyMap<string, SigningKey> = new Map()
  /** By `activeFrom`. */
  #ordered: readonly SigningKey[] = []
  #jwks: { keys: PublicJwk[] } = { keys: [] }
  /** Never used again, whatever a list of the store said that was read before it was removed there. */
  readonly #revoked = new Set<string>()
  /** One change at a time: two at once would open a key twice. */
  #turn: Promise<unknown> = Promise.resolve()
  #askedAt = Number.NEGATIVE_INFINITY

  /**
   * Reads the keys, and makes the first one when there is none.
   * @throws Error that says which setting to change, when a key opens with none of the secrets
   */
  static async open(options: SigningKeysOptions): Promise<SigningKeys> {
    const keys = new SigningKeys(options)
    await keys.#inTurn(() => keys.#load((row) => keys.#openOrFail(row)))
    await keys.#inTurn(() => keys.#maintain())
    return keys
  }

  private constructor(options: SigningKeysOptions) {
    this.#options = options
    this.#publishAheadMs = (Math.max(jwksMaxAgeSeconds, options.keepForSeconds) + reloadEverySeconds) * 1000
    this.#keepMs = (options.keepForSeconds + reloadEverySeconds) * 1000
  }

  /** The key of exactly this `kid`. An unknown one makes the list be read again soon; nobody waits for that. */
  find(kid: string): SigningKey | undefined {
    const key = this.#byKid.get(kid)
    if (!key) this.#askAgain()
    return key
  }

  /**
   * The key that signs now: the last one that has become active.
   * @throws StoreUnavailable when no key could be opened
   */
  current(): SigningKey {
    const nowMs = this.#options.clock()
    const active = this.#ordered.findLast(({ activeFrom }) => activeFrom <= nowMs) ?? this.#ordered[0]
    if (!active) throw new StoreUnavailable('There is no signing key that this node can open.')
    return active
  }

  /** The keys that others may verify with (RFC 7517 section 5), those included that do not sign yet or no more. */
  jwks(): { keys: PublicJwk[] } {
    return this.#jwks
  }

  /** Reads the list, makes the next key when it is time, removes what is past. Never rejects: failures are told. */
  async refresh(): Promise<void> {
    await this.#inTurn(() => this.#maintain()).catch(this.#options.onFailure)
  }

  /**
   * Makes a new key now. It is published at once and signs when everyone can know it; a key that is already on its way
   * stays the next one.
   * @returns the `kid` of the key that takes over, and when, ms
   */
  rotate({ immediately = false }: RotateOptions = {}): Promise<{ kid: string; activeFrom: number }> {
    return this.#inTurn(async () => {
      await this.#load()
      return immediately ? this.#replaceAll() : this.#announceNext()
    })
  }

  /**
   * Takes a key that leaked out of the store; a new one is published and signs at once, the others stay.
   * @returns whether the store held it
   */
  revoke(kid: string): Promise<boolean> {
    return this.#inTurn(async () => {
      await this.#load()
      const isHeld = this.#byKid.has(kid)
      if (isHeld) await this.#make(this.#options.clock(), randomKid())
      await this.#options.store.remove(kid)
      await this.#load()
      return isHeld
    })
  }

  /** Refuses what a revoked key signed from now on, and reads which key signs in its place. */
  drop(kid: string): void {
    this.#revoked.add(kid)
    void this.#activate([...this.#ordered]).catch(this.#options.onFailure)
    void this.#inTurn(() => this.#load()).catch(this.#options.onFailure)
  }

  /** Forgets all keys. The store keeps them. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#activate([]))
  }

  async #maintain(): Promise<void> {
    await this.#load()
    const isDue = this.#isSuccessorDue()
    // The second name: the first one may be that of a key that was revoked.
    for (const kid of isDue ? [this.#successorKid(), randomKid()] : []) {
      if (this.#isSuccessorDue()) await this.#make(this.#options.clock() + this.#publishAheadMs, kid)
      await this.#load()
    }
    const removed = await this.#removePast()
    if (removed) await this.#load()
  }

  async #load(openRow: OpenRow = (row) => this.#openIfPossible(row)): Promise<void> {
    let rows = await this.#signingRows()
    const nowMs = this.#options.clock()
    if (!rows.some(({ activeFrom }) => activeFrom <= nowMs)) {
      await this.#make(nowMs, randomKid())
      rows = await this.#signingRows()
    }
    const loaded = await Promise.all(rows.map((row) => this.#byKid.get(row.id) ?? openRow(row)))
    await this.#activate(loaded.filter((key) => key !== undefined))
  }

  async #activate(given: SigningKey[]): Promise<void> {
    const keys = given.filter(({ kid }) => !this.#revoked.has(kid))
    const gone = new Set([...this.#ordered, ...given].filter((key) => !keys.includes(key)))
    this.#byKid = new Map(keys.map((key) => [key.kid, key]))
    this.#ordered = keys.toSorted((a, b) => a.activeFrom - b.activeFrom || (a.kid < b.kid ? -1 : 1))
    this.#jwks = { keys: this.#ordered.map(({ publicJwk }) => publicJwk).filter((jwk) => jwk !== undefined) }
    for (const key of gone) key.isLive = false
    await Promise.all([...gone].map(({ signer }) => signer.close()))
  }

  // At start a key that cannot be used stops the process: it may be the one that signed what clients hold.
  async #openOrFail(row: SealedKey): Promise<SigningKey> {
    return this.#prepare(row, await openAndReseal(this.#options.store, row, this.#options.secrets))
  }

  // While running it is told and left out (another node may have made it under a secret we lack); the others still work.
  async #openIfPossible(row: SealedKey): Promise<SigningKey | undefined> {
    try {
      const bytes = openKey(row, this.#options.secrets)
      if (!bytes) throw new Error(unopenable(row))
      return await this.#prepare(row, bytes)
    } catch (error) {
      this.#options.onFailure(error)
      return undefined
    }
  }

  async #prepare({ id, alg, activeFrom }: SealedKey, bytes: Buffer): Promise<SigningKey> {
    if (!isSigningAlgorithm(alg))
      throw new Error(`The store's signing key ${id} is for ${alg}, which is not supported.`)
    const material = readKey(bytes, alg, id)
    const { kid, signatureBytes, publicJwk } = material
    const signer = await this.#options.openSigner(material)
    return { kid, alg, signatureBytes, publicJwk, activeFrom, signer, isLive: true }
  }

  // Due when the newest key, once the next is announced, has served its time; or has another algorithm than new keys get.
  #isSuccessorDue(): boolean {
    const newest = this.#ordered.at(-1)
    const nowMs = this.#options.clock()
    if (!newest || newest.activeFrom > nowMs) return false
    const dueAt = newest.activeFrom + this.#options.rotateEverySeconds * 1000
    return newest.alg !== this.#options.alg || dueAt <= nowMs + this.#publishAheadMs
  }

  // The same on every node, so that of nodes that rotate at the same time one adds the key and the others find it.
  #successorKid(): string {
    const predecessor = this.#ordered.at(-1)?.kid ?? ''
    return createHash('sha256')
      .update(`${predecessor}.${this.#options.alg}`)
      .digest()
      .toString('base64url', 0, kidBytes)
  }

  async #removePast(): Promise<boolean> {
    const before = this.#options.clock() - this.#keepMs
    // A key stops signing when the next one becomes active; the last token it signed is gone `keepMs` later.
    const past = this.#ordered.filter(
      (_, i) => (this.#ordered[i + 1]?.activeFrom ?? Number.POSITIVE_INFINITY) <= before,
    )
    for (const { kid } of past) await this.#options.store.remove(kid)
    return past.length > 0
  }

  async #announceNext(): Promise<{ kid: string; activeFrom: number }> {
    const nowMs = this.#options.clock()
    if ((this.#ordered.at(-1)?.activeFrom ?? 0) <= nowMs) {
      await this.#make(nowMs + this.#publishAheadMs, this.#successorKid())
      await this.#load()
    }
    return summary(this.#ordered.at(-1))
  }

  async #replaceAll(): Promise<{ kid: string; activeFrom: number }> {
    const leaked = this.#ordered.map(({ kid }) => kid)
    const kid = randomKid()
    await this.#make(this.#options.clock(), kid)
    for (const old of leaked) await this.#options.store.remove(old)
    await this.#load()
    return summary(this.#byKid.get(kid))
  }

  // Another node may have added the same key a moment ago: then it is that node's, and read from the store like any other.
  async #make(activeFrom: number, kid: string): Promise<void> {
    const { alg, secrets, store, clock } = this.#options
    const name = { id: kid, use: 'signing', alg, createdAt: clock(), activeFrom } as const
    if (await store.add(sealKey(name, await generateKey(alg), secrets))) this.#options.onMade({ kid, alg, activeFrom })
  }

  async #signingRows(): Promise<SealedKey[]> {
    const rows = (await this.#options.store.list()).filter(({ use }) => use === 'signing')
    // One that is there again was brought back by a store that lost the removal: the next start must not find it.
    for (const kid of this.#revoked)
      rows.some(({ id }) => id === kid) ? await this.#options.store.remove(kid) : this.#revoked.delete(kid)
    return rows.filter(({ id }) => !this.#revoked.has(id))
  }

  #askAgain(): void {
    const nowMs = this.#options.clock()
    if (Math.abs(nowMs - this.#askedAt) < unknownKidPauseMs) return
    this.#askedAt = nowMs
    void this.#inTurn(() => this.#load()).catch(this.#options.onFailure)
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(task)
    this.#turn = result.catch(() => undefined)
    return result
  }
}

// 128 random bits (ASVS 11.5.1); it names a key and is no secret.
const kidBytes = 16

function randomKid(): string {
  return randomBytes(kidBytes).toString('base64url')
}

function summary(key: SigningKey | undefined): { kid: string; activeFrom: number } {
  if (!key) throw new StoreUnavailable('The store lost the new signing key.')
  return { kid: key.kid, activeFrom: key.activeFrom }
}
