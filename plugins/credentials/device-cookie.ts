// The device cookie: who has signed in from this browser or app before, signed (OWASP, "Slow Down Online Guessing Attacks with
// Device Cookies"). It opens nothing: it only has its owner's failures counted apart from those of strangers. It holds neither
// a name nor a password.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { readDeviceCookie, setDeviceCookie } from '../browser/cookies.ts'
import type { Secret } from '../keys/secrets.ts'
import type { User } from '../session-store/port/store.ts'

/** A device that is known to a subject. */
export interface KnownDevice {
  /** 12 base64url characters; the same for as long as the cookie is renewed. */
  id: string
  /** `revision` of the user record at the sign-in: another one now, such as after a new password, and the cookie is void. */
  revision: number
}

// version 1 | key id 1 | device id 9 | issued-at 4 | user revision 4 | first 16 bytes of HMAC-SHA-256
const version = 1
const idBytes = 9
const signedBytes = 19
const macBytes = 16
const entryBytes = signedBytes + macBytes
const entryCharacters = Math.ceil((entryBytes * 8) / 6)

/** People who share a browser: the cookie knows so many, the newest first. */
const maxEntries = 4
const separator = '.'
const lifeSeconds = 180 * 24 * 60 * 60

export class DeviceCookies {
  readonly #secrets: readonly Secret[]
  readonly #clock: () => number

  /**
   * @param secrets newest first
   * @param clock ms
   */
  constructor(secrets: readonly Secret[], clock: () => number) {
    this.#secrets = secrets
    this.#clock = clock
  }

  /**
   * The device of a request, where this subject has signed in from it.
   * @returns undefined for a stranger's, one that is too old, and whatever we did not write
   * @throws Problem `invalid_request` when the cookie comes twice
   */
  read(request: FastifyRequest, sub: string): KnownDevice | undefined {
    for (const entry of entriesOf(request)) {
      const device = this.#verify(entry, sub)
      if (device !== undefined) return device
    }
    return undefined
  }

  /** Makes the device known to a user who has signed in, or makes it known for longer. */
  renew(request: FastifyRequest, reply: FastifyReply, user: Pick<User, 'sub' | 'revision'>): void {
    const others: string[] = []
    let known: KnownDevice | undefined
    for (const entry of entriesOf(request)) {
      const own = this.#verify(entry, user.sub)
      if (own === undefined) others.push(entry)
      else known ??= own
    }
    // A copy that was made before a new password must not share a budget with its owner.
    const id = known?.revision === user.revision ? known.id : randomBytes(idBytes).toString('base64url')
    const entries = [this.#write(id, user), ...others].slice(0, maxEntries)
    setDeviceCookie(reply, entries.join(separator), lifeSeconds)
  }

  #write(id: string, { sub, revision }: Pick<User, 'sub' | 'revision'>): string {
    const [secret] = this.#secrets
    if (secret === undefined) throw new Error('There is no secret to sign with.')
    const entry = Buffer.alloc(entryBytes)
    entry.writeUInt8(version, 0)
    entry.writeUInt8(secret.keyId, 1)
    entry.write(id, 2, idBytes, 'base64url')
    entry.writeUInt32BE(Math.floor(this.#clock() / 1000), 11)
    entry.writeUInt32BE(revision, 15)
    mac(entry, sub, secret).copy(entry, signedBytes)
    return entry.toString('base64url')
  }

  #verify(text: string, sub: string): KnownDevice | undefined {
    const entry = Buffer.from(text, 'base64url')
    // Decoding is lenient; only the text that encodes to itself is the entry (RFC 4648 section 3.5).
    if (entry.length !== entryBytes || entry.toString('base64url') !== text) return undefined
    if (entry.readUInt8(0) !== version) return undefined
    const presented = entry.subarray(signedBytes)
    const isOurs = this.#secrets.some(
      (secret) => secret.keyId === entry.readUInt8(1) && timingSafeEqual(mac(entry, sub, secret), presented),
    )
    if (!isOurs || this.#clock() / 1000 - entry.readUInt32BE(11) > lifeSeconds) return undefined
    return { id: entry.toString('base64url', 2, 2 + idBytes), revision: entry.readUInt32BE(15) }
  }
}

function entriesOf(request: FastifyRequest): string[] {
  const value = readDeviceCookie(request) ?? ''
  if (value.length > maxEntries * (entryCharacters + separator.length)) return []
  return value.split(separator).filter((entry) => entry.length === entryCharacters)
}

// The subject is signed, and not written down: the cookie tells nobody who it is about.
function mac(entry: Buffer, sub: string, secret: Secret): Buffer {
  const hmac = createHmac('sha256', secret.deviceCookieKey).update(entry.subarray(0, signedBytes)).update(sub)
  return hmac.digest().subarray(0, macBytes)
}
