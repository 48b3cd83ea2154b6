// A value of the config, as it is written in the sentence of a violation. It must never be given a secret.

const shownCharacters = 80

/**
 * Writes a value of a mistake: as JSON, so that nothing in it can pretend to be something else, never long, and without
 * the password that somebody may have put into a URL.
 * @param value never a secret
 */
export function show(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value).replace(/\/\/[^/"]*@/g, '//…@')
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
}
