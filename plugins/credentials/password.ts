// Passwords: what may be one, how one is hashed and checked (argon2id). A password is never cut, trimmed or case folded, and
// never leaves this file but as a hash.
import { hash, parseOptions, verify } from '@node-rs/argon2'

/** Cost of argon2id. */
export interface HashingCost {
  memoryKib: number
  passes: number
  lanes: number
}

/** OWASP Password Storage Cheat Sheet: argon2id with m=19456 (19 MiB), t=2, p=1. */
export const owaspCost: HashingCost = { memoryKib: 19_456, passes: 2, lanes: 1 }

/** Most characters (Unicode code points) of a password. */
export const passwordCharacterLimit = 256

/** Most bytes of a password in UTF-8, normalised. */
export const passwordLimitBytes = 1024

/**
 * Says why a text cannot be a password (ASVS 6.2.8, 6.2.9: any Unicode, at least 64 characters allowed).
 * @returns one sentence for a person, or undefined when it can be one
 */
export function passwordProblem(password: string): string | undefined {
  if (password === '') return 'A password has at least one character.'
  if (password.includes('\0')) return 'A password cannot hold the NUL character.'
  // A lone surrogate has no UTF-8 form: every one of them would be hashed as the same replacement character.
  if (!password.isWellFormed()) return 'A password must be well-formed Unicode text.'
  const normalised = normalise(password)
  if ([...normalised].length > passwordCharacterLimit)
    return `A password has at most ${passwordCharacterLimit} characters.`
  if (Buffer.byteLength(normalised) > passwordLimitBytes)
    return `A password has at most ${passwordLimitBytes} bytes in UTF-8.`
  return undefined
}

/** Fewest characters of a password that is newly set (ASVS 6.2.1, NIST SP 800-63B section 3.1.1.2). */
const newPasswordCharactersLeast = 8

/**
 * Says why a text cannot become somebody's password. What is set already is checked by `passwordProblem` alone.
 * @returns one sentence for a person, or undefined when it can
 */
export function newPasswordProblem(password: string): string | undefined {
  const problem = passwordProblem(password)
  if (problem !== undefined) return problem
  // NIST SP 800-63B section 3.1.1.2 lets printing characters in: these came from a file or an editor, and nobody can type them.
  if (/[\p{Cc}\u{feff}]/u.test(password))
    return 'A new password cannot hold a line feed, a byte order mark or another character that nobody can type.'
  if ([...normalise(password)].length >= newPasswordCharactersLeast) return undefined
  return `A new password has at least ${newPasswordCharactersLeast} characters.`
}

/**
 * Hashes a password for storing.
 * @param password one that `passwordProblem` has nothing against
 * @param cost parameters to hash with
 * @returns a PHC string, `$argon2id$v=19$m=19456,t=2,p=1$…`
 */
export function hashPassword(password: string, cost: HashingCost = owaspCost): Promise<string> {
  // The library's default algorithm is argon2id, version 19; the test of this file holds it to that.
  return hash(normalise(password), { memoryCost: cost.memoryKib, timeCost: cost.passes, parallelism: cost.lanes })
}

/**
 * Checks a password against a hash of any cost; the work is the hash's own.
 * @returns whether it is the password of that hash
 */
export function verifyPassword(passwordHash: string, password: string): Promise<boolean> {
  return verify(passwordHash, normalise(password))
}

/**
 * Whether a hash is of another algorithm than argon2id, or cheaper than `cost` in any parameter.
 * @param passwordHash a PHC string that `verifyPassword` could read
 */
export function needsRehash(passwordHash: string, cost: HashingCost = owaspCost): boolean {
  if (!passwordHash.startsWith('$argon2id$v=19$')) return true
  const made = parseOptions(passwordHash)
  return made.memoryCost < cost.memoryKib || made.timeCost < cost.passes || made.parallelism < cost.lanes
}

// One person types é as one code point, another device as two: the same password (NIST SP 800-63B section 3.1.1.2).
function normalise(password: string): string {
  return password.normalize('NFC')
}
