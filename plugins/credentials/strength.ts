// The strength of a new password, checked by its likeness to those that are tried first (zxcvbn, with its common and English
// dictionaries) and to what belongs to its user and to this service (ASVS 6.2.4, 6.1.2). The dictionaries are large, so they
// are loaded with the first password that is set, and never by a sign-in.
import type { ZxcvbnFactory } from '@zxcvbn-ts/core'

/** The sentences, each for a person. */
const common = 'It is one of the passwords that are tried first, or much like one.'
const ofItsOwner = 'It is made of the user name or the name of this service, which are tried first.'

/** Below this a hundred thousand guesses are enough: zxcvbn's scores 0 and 1. */
const minScore = 2

/** Work grows with the length: some hundred repetitions would take seconds. What is strong so far is strong enough. */
const checkedCharacters = 32

/** Letters and digits that must be left when the words of the context are taken out. */
const minOwnCharacters = 5
const minWordCharacters = 3

let loading: Promise<ZxcvbnFactory> | undefined

/**
 * Says why a password is too easy to guess.
 * @param password one that may be one otherwise
 * @param context words that belong to its user or to this service, see `contextOf`
 * @returns one sentence for a person, or undefined when nothing speaks against it
 */
export async function violationOf(password: string, context: readonly string[]): Promise<string | undefined> {
  const checked = [...password.normalize('NFC')].slice(0, checkedCharacters).join('')
  if (isMadeOf(checked, context)) return ofItsOwner
  loading ??= load()
  const { score, sequence } = (await loading).check(checked, [...context])
  if (score >= minScore) return undefined
  const isOwn = sequence.some((match) => match['dictionaryName'] === 'userInputs')
  return isOwn ? ofItsOwner : common
}

/**
 * The words that the password of a user must not be made of.
 * @param sub the user name
 * @param issuer the URL of this service
 */
export function contextOf(sub: string, issuer: string): string[] {
  const { hostname } = new URL(issuer)
  const words = [sub, ...sub.split(/[._@+'-]/), hostname, ...hostname.split(/[.-]/), 'cardea']
  return [...new Set(words)].filter((word) => word.length >= minWordCharacters)
}

function isMadeOf(password: string, context: readonly string[]): boolean {
  const folded = password.normalize('NFKC').toLowerCase()
  // The longest first: a name may hold another.
  const words = context.toSorted((a, b) => b.length - a.length)
  const left = words.reduce((text, word) => text.replaceAll(word, ''), folded)
  return left !== folded && left.replace(/[^\p{L}\p{N}]/gu, '').length < minOwnCharacters
}

async function load(): Promise<ZxcvbnFactory> {
  const [core, languages, english] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
    import('@zxcvbn-ts/language-en'),
  ])
  const dictionary = { ...languages.dictionary, ...english.dictionary }
  return new core.ZxcvbnFactory({ dictionary, graphs: languages.adjacencyGraphs })
}
