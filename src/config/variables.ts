// The members of the config file as they count: those whose key begins with `x-` are left out, and `${NAME}` in a text stands
// for an environment variable. Keys are never expanded, and what a variable holds is never looked at again.
import type { Path } from './file.ts'

/** A place that cannot be expanded, and the rest of the sentence about it. */
export interface ExpansionViolation {
  path: Path
  message: string
}

export interface Expanded {
  value: unknown
  violations: ExpansionViolation[]
  /** Names of the variables that were used, and what they hold. */
  used: ReadonlyMap<string, string>
}

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/
const freeKey = /^x-/
// Shorter texts are words of our own sentences as well, and no secrets.
const minHiddenLength = 6

/**
 * Expands what a config file holds.
 * @param value as it was parsed
 * @param env the environment variables; an empty one counts as unset, as everywhere
 * @returns a copy; a text that cannot be expanded stays as it is, and is a violation
 */
export function expandVariables(value: unknown, env: Readonly<Record<string, string | undefined>>): Expanded {
  const violations: ExpansionViolation[] = []
  const used = new Map<string, string>()
  const ancestors = new Set<unknown>()

  const expandText = (text: string, path: Path): string => {
    const before = violations.length
    const expanded = text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (whole, name?: string, end?: string) => {
      if (name === undefined) return '${'
      if (end === '' || !variableName.test(name)) {
        violations.push({
          path,
          message: `has \${ without the name of a variable and }: write \${NAME}, or $\${ for \${ itself`,
        })
        return whole
      }
      const held = Object.hasOwn(env, name) ? env[name] : undefined
      if (!held) {
        violations.push({
          path,
          message: `needs the environment variable ${name}, which is not set: set it, or write $\${${name}} for the text itself`,
        })
        return whole
      }
      used.set(name, held)
      return held
    })
    return violations.length > before ? text : expanded
  }

  const expand = (node: unknown, path: Path): unknown => {
    if (typeof node === 'string') return expandText(node, path)
    if (typeof node !== 'object' || node === null) return node
    if (ancestors.has(node)) {
      violations.push({ path, message: 'holds itself: an alias cannot stand inside of its anchor' })
      return undefined
    }
    ancestors.add(node)
    const copy = Array.isArray(node)
      ? node.map((part, at) => expand(part, [...path, at]))
      : Object.fromEntries(
          Object.entries(node)
            .filter(([key]) => !freeKey.test(key))
            .map(([key, part]) => [key, expand(part, [...path, key])]),
        )
    ancestors.delete(node)
    return copy
  }

  return { value: expand(value, []), violations, used }
}

/**
 * A sentence in which the name of a variable stands wherever it would show what the variable holds.
 * @param used names of variables, and what they hold
 */
export function hideVariables(sentence: string, used: ReadonlyMap<string, string>): string {
  const hidden = [...used]
    .filter(([, held]) => held.length >= minHiddenLength)
    .flatMap(([name, held]) => spellingsOf(held).map((spelling) => ({ name, spelling })))
    // The longest first: one may be a part of another.
    .sort((a, b) => b.spelling.length - a.spelling.length)
  // In one pass, so that nothing is sought in what was put in.
  const pattern = hidden.map(({ spelling }) => `(${escaped(spelling)})`).join('|')
  if (pattern === '') return sentence
  return sentence.replace(new RegExp(pattern, 'gi'), (_, ...groups) => {
    const at = groups.findIndex((group) => group !== undefined)
    return `\${${hidden[at]?.name}}`
  })
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

// As it is, in JSON, and in a URL.
function spellingsOf(held: string): string[] {
  return [...new Set([held, JSON.stringify(held).slice(1, -1), encodeURI(held.toWellFormed())])]
}
