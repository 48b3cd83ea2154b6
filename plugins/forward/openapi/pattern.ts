// Regular expressions of documents (`pattern`), made so that no text a client sends can keep the gateway busy with one.
// Documents are trusted as the config is; this is for the pattern that takes exponential time and that nobody noticed.
import { setFlagsFromString } from 'node:v8'

/**
 * Lets V8 judge a text in linear time once an expression has gone back too often on it. For the whole process: there is no
 * such switch for one expression. Expressions with back references, assertions or the flag `u` do not profit.
 */
export function boundBacktracking(): void {
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
}

// What only the flag `u` gives its meaning.
const needsUnicode = /\\[pPu]\{/

/**
 * Makes the expression of a pattern.
 * @param pattern ECMA-262, as JSON Schema asks for
 * @returns undefined when it is none
 */
export function expressionOf(pattern: string): RegExp | undefined {
  for (const flags of needsUnicode.test(pattern) ? ['u'] : ['', 'u']) {
    try {
      return new RegExp(pattern, flags)
    } catch {
      // The next flags may fit.
    }
  }
  return undefined
}
