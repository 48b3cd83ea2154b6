// The strength of CARDEA_SECRET, as far as it shows: its length, its variety, and whether it is a placeholder. Its sentences
// never hold a part of a secret.
import { minimumSecretLength } from '../../plugins/keys/secrets.ts'

const minimumDistinctCharacters = 10
const placeholders =
  /change.?(me|this|it)|replace.?(me|this|it)|place.?holder|your.?(own.?)?(secret|key)|example|insecure|do.?not.?use|top.?secret|p(a|4)ssw(o|0)rd|correct.?horse|lorem.?ipsum|123456789|abcdefghi|qwertz|qwerty|todo|xxxxx/i

/**
 * Says why a secret cannot be used at all.
 * @param secret one of the list
 * @returns the end of a sentence that begins with "it", or undefined when it is long enough
 */
export function brevityOf(secret: string): string | undefined {
  const characters = [...secret].length
  return characters < minimumSecretLength
    ? `has ${characters} characters, at least ${minimumSecretLength} are needed`
    : undefined
}

/**
 * Says why a long enough secret looks easy to guess. It cannot prove that one is not.
 * @param secret one of the list
 * @returns the end of a sentence that begins with "it", or undefined when nothing speaks against it
 */
export function violationOf(secret: string): string | undefined {
  const distinct = new Set(secret).size
  if (distinct < minimumDistinctCharacters) {
    return `has only ${distinct} different characters, at least ${minimumDistinctCharacters} are needed`
  }
  if (placeholders.test(secret)) return 'looks like a placeholder'
  if (isRepetition(secret)) return 'repeats itself'
  return undefined
}

// A text that is found in itself, moved by at most half its length, is made of copies of its beginning.
function isRepetition(text: string): boolean {
  const shift = `${text}${text}`.indexOf(text, 1)
  if (shift <= text.length / 2) return true
  const half = text.slice(0, Math.floor(text.length / 2))
  return text.slice(half.length).startsWith(half)
}
