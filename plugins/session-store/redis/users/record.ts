// A user's record as Redis keeps it, a hash of short texts, and back. It knows no verb.
import type { RecordSeals } from '../../../keys/record-seal.ts'
import type { User } from '../../port/users.ts'

/** A record as its fields: names and values in turn. */
export type UserFields = readonly string[]

/** What of a user's record is told to the other nodes, and to a new primary. */
export interface RememberedUser {
  sub: string
  revision: number
  fields: UserFields
}

// A longer value would cost the compact encoding; a PHC string has 97 characters, so it lies in two fields.
const half = 64

// Users are few: their seals need not be short.
const sealBytes = 16

/** What of a record is written by a gateway, and sealed; the store dates it. */
export type WrittenUser = Omit<User, 'sub' | 'createdAt'>

/**
 * The fields of a record, its seal among them.
 * @param place the name of the record in Redis
 */
export function writeUser(
  { passwordHash, roles, scope, disabled, revision }: WrittenUser,
  place: string,
  seals: RecordSeals,
) {
  const [p, q] = halve(passwordHash)
  const values = [p, q, JSON.stringify(roles), scope, String(Number(disabled)), String(revision)]
  const seal = seals.make('user', place, JSON.stringify(values), sealBytes).toString('base64url')
  return [...sealedNames.flatMap((name, i) => [name, values[i] ?? '']), 'm', seal]
}

/** Names of the fields that are sealed, in this order. */
const sealedNames = ['p', 'q', 'r', 's', 'd', 'v']

/**
 * A user out of the fields of a record.
 * @param place the name of the record in Redis
 * @returns undefined when no gateway wrote it, here
 */
export function readUser(sub: string, flat: UserFields, place: string, seals: RecordSeals): User | undefined {
  const field = fieldsOf(flat)
  const seal = Buffer.from(field('m'), 'base64url')
  if (!seals.isRight('user', place, JSON.stringify(sealedNames.map(field)), seal, sealBytes)) return undefined
  return {
    sub,
    passwordHash: field('p') + field('q'),
    roles: JSON.parse(field('r')),
    scope: field('s'),
    disabled: field('d') === '1',
    createdAt: Number(field('c')),
    revision: Number(field('v')),
  }
}

// A password hash in the two pieces it lies in.
function halve(hash: string): [string, string] {
  return [hash.slice(0, half), hash.slice(half)]
}

/**
 * What others shall remember of a record.
 * @param flat as a script answered it
 */
export function rememberUser(sub: string, flat: UserFields): RememberedUser {
  // Not when all sessions were ended last: that is said by the ends.
  const names = [...sealedNames, 'm', 'c']
  const field = fieldsOf(flat)
  return { sub, revision: Number(field('v')), fields: names.flatMap((name) => [name, field(name)]) }
}

function fieldsOf(flat: UserFields): (name: string) => string {
  const fields = new Map<string, string>()
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] ?? '', flat[i + 1] ?? '')
  return (name) => fields.get(name) ?? ''
}
