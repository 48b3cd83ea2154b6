// Regular expressions of documents (`pattern`, ECMA-262 as JSON Schema asks for), checked by an engine whose time grows with the
// text and never with the choices in it. Whatever a client sends, a pattern that nobody thought about cannot stop the gateway.
// An emoji is one character, as under the flag `u`.
import { type AST, RegExpParser } from '@eslint-community/regexpp'
import { RE2JS } from 're2js'
import { type CodePointRange, type CodePointSet, codePointsOf, complementOf, setOf } from './code-points.ts'

/** A pattern that is ready for use. */
export interface LinearPattern {
  /** How much work a character of a text can be, at the most: the number of instructions. */
  readonly instructions: number
  test(text: string): boolean
}

/** Why a pattern cannot be checked; `message` follows the pattern in a sentence. */
export class PatternError extends Error {}

/** Of one pattern; each takes memory, and time for every character. */
const maxInstructions = 1000
/** Counts that RE2 takes in one repetition. */
const maxRepetition = 1000

/**
 * Makes a pattern ready for use.
 * @param source ECMA-262, with the flag `u` or, where it is valid without only, without
 * @throws PatternError for what is no regular expression, and for what no engine checks in linear time: back references and
 *   assertions about what stands ahead or behind
 */
export function linearPattern(source: string): LinearPattern {
  const known = made.get(source)
  if (known !== undefined) return known
  if (made.size >= maxRemembered) made.clear()
  const pattern = make(source)
  made.set(source, pattern)
  return pattern
}

// A pattern is asked for when its document is checked and when it is compiled, and stands in many places of it.
const maxRemembered = 1000
const made = new Map<string, LinearPattern>()

function make(source: string): LinearPattern {
  const pattern = parse(source)
  const repeated = wholeRepetition(pattern)
  if (repeated === undefined) return compile(writeAlternatives(pattern.alternatives))
  const { element, min, max } = repeated
  const { instructions, test } = compile(`\\A(?:${writeElement(element)})*\\z`)
  return { instructions, test: (text) => hasLength(text, min, max) && test(text) }
}

function compile(written: string): LinearPattern {
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(written)
  } catch {
    throw new PatternError('repeats too much to be checked')
  }
  const instructions = compiled.programSize()
  if (instructions > maxInstructions) throw new PatternError('repeats too much to be checked')
  return { instructions, test: (text) => compiled.test(text) }
}

// `^[a-z]{1,5000}$`: some characters, and how many of them. Counted as such, it needs no instruction for each.
function wholeRepetition({ alternatives }: AST.Pattern): AST.Quantifier | undefined {
  const [start, repeated, end] = alternatives[0]?.elements ?? []
  const isWhole = alternatives.length === 1 && alternatives[0]?.elements.length === 3
  if (!isWhole || start?.type !== 'Assertion' || start.kind !== 'start') return undefined
  if (repeated?.type !== 'Quantifier' || end?.type !== 'Assertion' || end.kind !== 'end') return undefined
  return oneCharacterTypes.has(repeated.element.type) ? repeated : undefined
}

const oneCharacterTypes: ReadonlySet<string> = new Set(['Character', 'CharacterSet', 'CharacterClass'])

// In code points, of which a text has at least half as many as code units.
function hasLength(text: string, min: number, max: number): boolean {
  if (text.length < min || text.length > 2 * max) return false
  let points = 0
  for (const _point of text) points += 1
  return points >= min && points <= max
}

const parser = new RegExpParser({ ecmaVersion: 2025 })

// Documents of old generators escape what `u` lets nobody escape: valid without it, they mean what they meant.
function parse(source: string): AST.Pattern {
  for (const unicode of [true, false]) {
    try {
      return parser.parsePattern(source, 0, source.length, { unicode })
    } catch {
      // It may be valid without the flag.
    }
  }
  throw new PatternError('is no regular expression')
}

function writeAlternatives(alternatives: readonly AST.Alternative[]): string {
  return alternatives.map(({ elements }) => elements.map(writeElement).join('')).join('|')
}

function writeElement(element: AST.Element): string {
  switch (element.type) {
    case 'Group':
      if (element.modifiers !== null) throw new PatternError('changes its flags, which is not supported')
      return `(?:${writeAlternatives(element.alternatives)})`
    case 'CapturingGroup':
      return `(?:${writeAlternatives(element.alternatives)})`
    case 'Assertion':
      return writeAssertion(element)
    case 'Quantifier':
      return writeRepeated(writeElement(element.element), element.min, element.max)
    case 'Character':
    case 'CharacterSet':
    case 'CharacterClass':
      return writeSet(codePointsIn(element))
    default:
      throw new PatternError('needs more than linear time to be checked')
  }
}

function writeAssertion(assertion: AST.Assertion): string {
  switch (assertion.kind) {
    case 'start':
      return '\\A'
    case 'end':
      return '\\z'
    case 'word':
      return assertion.negate ? '\\B' : '\\b'
    default:
      throw new PatternError('needs more than linear time to be checked')
  }
}

// Whether a repetition is greedy changes what is found, not whether something is.
function writeRepeated(element: string, min: number, max: number): string {
  const once = `(?:${element})`
  if (max === Number.POSITIVE_INFINITY) return `${writeTimes(once, min, (times) => `{${times}}`)}${once}*`
  if (max > maxInstructions) throw new PatternError('repeats too much to be checked')
  return writeTimes(once, min, (times) => `{${times}}`) + writeTimes(once, max - min, (times) => `{0,${times}}`)
}

// x{2500} is x{1000}x{1000}x{500}.
function writeTimes(once: string, times: number, count: (times: number) => string): string {
  if (times > maxInstructions) throw new PatternError('repeats too much to be checked')
  let text = ''
  for (let left = times; left > 0; left -= maxRepetition) text += once + count(Math.min(left, maxRepetition))
  return text
}

function writeSet(set: CodePointSet): string {
  // Nothing at all: the class without any member.
  if (set.length === 0) return '[^\\x{0}-\\x{10FFFF}]'
  return `[${set.map(([first, last]) => `\\x{${first.toString(16)}}-\\x{${last.toString(16)}}`).join('')}]`
}

type OneCharacter = AST.Character | AST.CharacterSet | AST.CharacterClass | AST.CharacterClassElement

function codePointsIn(element: OneCharacter): CodePointSet {
  switch (element.type) {
    case 'Character':
      return [[element.value, element.value]]
    case 'CharacterClassRange':
      return [[element.min.value, element.max.value]]
    case 'CharacterSet': {
      const set = namedSet(element)
      return 'negate' in element && element.negate ? complementOf(set) : set
    }
    case 'CharacterClass': {
      const set = setOf(element.elements.flatMap((member): readonly CodePointRange[] => codePointsIn(member)))
      return element.negate ? complementOf(set) : set
    }
    default:
      throw new PatternError('has a class that is not supported')
  }
}

const digits: CodePointSet = [[0x30, 0x39]]
const wordCharacters = setOf([...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]])
const lineEnds = setOf([
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
])

// ECMA-262 section 22.2.2.7, CharacterClassEscape.
function namedSet(set: AST.CharacterSet): CodePointSet {
  switch (set.kind) {
    case 'any':
      return complementOf(lineEnds)
    case 'digit':
      return digits
    case 'word':
      return wordCharacters
    case 'space':
      return setOf([...lineEnds, ...codePointsOf('White_Space').filter(([first]) => first !== 0x85), [0xfeff, 0xfeff]])
    default:
      return codePointsOf(set.value === null ? set.key : `${set.key}=${set.value}`)
  }
}
