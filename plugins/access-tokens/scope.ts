// Scope as OAuth writes it: tokens separated by single spaces (RFC 6749 section 3.3). It must never widen what was granted.

const scopeForm = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/

/** Whether a text is a scope: one or more tokens. */
export function isScope(text: string): boolean {
  return scopeForm.test(text)
}

/**
 * The scope to grant when `wanted` is asked for of `granted`.
 * @param granted what there is, space-separated; may be empty
 * @param wanted what is asked for; undefined asks for all of it
 * @returns the tokens asked for, each once, or undefined when one of them is not there or the text is no scope
 */
export function narrowScope(granted: string, wanted: string | undefined): string | undefined {
  if (wanted === undefined) return granted
  if (!isScope(wanted)) return undefined
  const there = new Set(granted.split(' '))
  const asked = [...new Set(wanted.split(' '))]
  return asked.every((one) => there.has(one)) ? asked.join(' ') : undefined
}
