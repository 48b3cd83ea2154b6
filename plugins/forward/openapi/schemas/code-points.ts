// Sets of Unicode code points, as ordered ranges that neither overlap nor touch: what a class of a regular expression takes.
// They hold no state and are never changed once made.

/** First and last code point, both included. */
export type CodePointRange = readonly [first: number, last: number]

export type CodePointSet = readonly CodePointRange[]

const lastCodePoint = 0x10ffff

/** Brings ranges into order and joins those that overlap or touch. */
export function setOf(ranges: readonly CodePointRange[]): CodePointSet {
  const joined: [number, number][] = []
  for (const [first, last] of [...ranges].sort(([one], [other]) => one - other)) {
    const before = joined.at(-1)
    if (before === undefined || first > before[1] + 1) joined.push([first, last])
    else before[1] = Math.max(before[1], last)
  }
  return joined
}

/** All code points that are not in a set. */
export function complementOf(set: CodePointSet): CodePointSet {
  const others: CodePointRange[] = []
  let next = 0
  for (const [first, last] of set) {
    if (first > next) others.push([next, first - 1])
    next = last + 1
  }
  if (next <= lastCodePoint) others.push([next, lastCodePoint])
  return others
}

// Few properties stand in documents, and each costs a look at every code point.
const maxRememberedProperties = 64
const rememberedProperties = new Map<string, CodePointSet>()

/**
 * The code points of a property, as this Node's Unicode has them (ECMA-262 section 22.2.1, UnicodePropertyValueExpression).
 * @param property `L`, `Script=Greek`: what stands between the braces of `\p{}`
 */
export function codePointsOf(property: string): CodePointSet {
  const known = rememberedProperties.get(property)
  if (known !== undefined) return known
  const expression = new RegExp(`\\p{${property}}`, 'u')
  const found: CodePointRange[] = []
  for (let point = 0, first = -1; point <= lastCodePoint + 1; point += 1) {
    const isIn = point <= lastCodePoint && expression.test(String.fromCodePoint(point))
    if (isIn && first === -1) first = point
    if (!isIn && first !== -1) {
      found.push([first, point - 1])
      first = -1
    }
  }
  if (rememberedProperties.size >= maxRememberedProperties) rememberedProperties.clear()
  rememberedProperties.set(property, found)
  return found
}
