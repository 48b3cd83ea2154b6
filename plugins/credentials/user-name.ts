// The canonical user name: the one form in which a user is stored, looked up, limited and named in tokens (`sub`). It must
// never map two people to one name silently: what is outside the narrow character set is refused, not repaired.

/** What a canonical user name looks like, for schemas of names that are canonical already. */
export const userNamePattern = "^[a-z0-9][a-z0-9._@+'-]{0,253}$"

/** The rule as a sentence for people. */
export const userNameRule =
  "A user name has 1 to 254 characters of a-z, 0-9 and . _ @ + - ', the first one a letter or a digit; case and blanks around it do not matter."

/** Longest text that is looked at, in UTF-16 units: the longest name (RFC 5321 section 4.5.3.1.3) and some blanks. */
export const userNameInputLimit = 320

const canonicalForm = new RegExp(userNamePattern)

/**
 * The canonical form of a user name as typed: NFKC, lower case, `[a-z0-9._@+'-]`, 1 to 254 characters, first one alphanumeric.
 * What keyboards of phones add is taken off: a blank behind a word, and the curve of an apostrophe.
 * @param name as typed
 * @returns the name, or undefined when there can be no such user
 */
export function canonicalUserName(name: string): string | undefined {
  if (name.length > userNameInputLimit) return undefined
  const folded = withoutBlanksAround(name.normalize('NFKC')).replace(curvedApostrophes, "'").toLowerCase()
  return canonicalForm.test(folded) ? folded : undefined
}

const curvedApostrophes = /[\u2019\u02bc]/g

// No pattern: one that is tied to the end is tried at each blank. NFKC has made other kinds of blanks this one.
function withoutBlanksAround(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && isBlank(text[start])) start += 1
  while (end > start && isBlank(text[end - 1])) end -= 1
  return text.slice(start, end)
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}

/**
 * Under which name a login try is counted: every spelling of one user is one, and what cannot be a user is counted too.
 * @param name as typed
 * @returns the canonical name, or a bounded text that no user can have
 */
export function triedName(name: string): string {
  return canonicalUserName(name) ?? `?${name.slice(0, userNameInputLimit).normalize('NFKC').toLowerCase().slice(0, 64)}`
}
