// Patterns of documents: the same texts fit as in the language that they are written for, in time that grows with the text.
import fc from 'fast-check'
import t from 'tap'
import {
  type LinearPattern,
  linearPattern,
  PatternError,
} from '../../../../../plugins/forward/openapi/schemas/pattern.ts'

const seed = Number(process.env['CARDEA_TEST_SEED'] ?? Date.now() % 2 ** 31)

function fits(pattern: string, text: string): boolean {
  return linearPattern(pattern).test(text)
}

t.test('patterns that people write fit what they fit elsewhere', (t) => {
  const texts = [
    '',
    'a',
    'ab-c_d',
    'A1',
    '😀',
    '😀😀',
    'naïve',
    '日本',
    'a\nb',
    '\u2028',
    '\ufeff \t',
    '2026-11-30',
    'x@y.example',
    ':]',
    '\u0085',
    '-',
    '\ud83d',
  ]
  const patterns = [
    '^.$',
    '^.{2}$',
    '.',
    '^[^a]+$',
    '^\\s+$',
    '\\S',
    '^\\W$',
    '^\\w+$',
    '\\bb',
    'a\\B',
    '^[[:alpha:]]$',
    '^(?:\\p{L}|\\d)+$',
    '^\\P{L}+$',
    '^[\\p{Lu}\\d]+$',
    '^\\p{Script=Han}+$',
    '^\\u{1F600}$',
    '^\\d{4}-\\d{2}-\\d{2}$',
    '^(?<user>[^@]+)@.+$',
    '[]',
    '^[^]+$',
    '^$',
    'a|^$|-$',
    '^(?:a??b*?)+?',
    '^\\x61\\u0062\\cJ?',
    '^[\\b\\-a]+$',
    '^[\\u{1F600}-\\u{1F64F}]{1,2}$',
    '^.{0,70000}$',
  ]
  for (const pattern of patterns) {
    // The flag `v` reads them as `u` does; with `u` this V8 says that an emoji does not fit `[^a]$`.
    const native = new RegExp(pattern, pattern.includes('[:alpha:]') ? '' : 'v')
    for (const text of texts)
      t.equal(fits(pattern, text), native.test(text), encodeURI(`${pattern} ${text.toWellFormed()}`))
  }
  t.end()
})

t.test('what only old engines take means what it meant', (t) => {
  const escaped = '^[\\w-.]+$'
  t.throws(() => new RegExp(escaped, 'u'))
  t.equal(fits(escaped, 'a-b.c'), true)
  t.equal(fits('^\\_\\@a\\-b$', '_@a-b'), true)
  t.equal(fits('^a{,3}$', 'a{,3}'), true)
  t.end()
})

// Made of the parts that patterns have, small enough for the native engine to be asked as well.
const part = fc.constantFrom('a', 'b', '[ab]', '[^a]', '.', '\\w', '\\W', '\\s', '\\d', '😀', '\\p{L}', '\\b', '^', '$')
const { pattern } = fc.letrec<{ pattern: string; piece: string }>((tie) => ({
  piece: fc.oneof(
    { weight: 4, arbitrary: part },
    { weight: 1, arbitrary: tie('pattern').map((inner) => `(${inner})`) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}', '*?', '{0,1}?'))
        .map(([inner, times]) => `(?:${inner})${times}`),
    },
  ),
  pattern: fc
    .array(fc.array(tie('piece'), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
    .map((choices) => choices.map((pieces) => pieces.join('')).join('|')),
}))
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ß', '1', ' ', '\n', '😀', '_'), maxLength: 6 })

// Repetitions in repetitions soon need more instructions than are allowed.
function linearOrNone(source: string): LinearPattern | undefined {
  try {
    return linearPattern(source)
  } catch (error) {
    if (error instanceof PatternError) return undefined
    throw error
  }
}

t.test('any pattern fits what it fits elsewhere', (t) => {
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 5 }), (source, texts) => {
      const native = new RegExp(source, 'v')
      const linear = linearOrNone(source)
      fc.pre(linear !== undefined)
      for (const one of texts) {
        if (linear.test(one) !== native.test(one)) throw new Error(JSON.stringify([source, one]))
      }
    }),
    { seed, numRuns: 300 },
  )
  t.pass(`seed ${seed}`)
  t.end()
})

t.test('what no engine checks in linear time is refused, and said', (t) => {
  for (const one of ['(?=a)b', '(?!a)b', '(?<=a)b', '(?<!a)b', '(a)\\1', '(?<n>a)\\k<n>']) {
    t.throws(() => linearPattern(one), new PatternError('needs more than linear time to be checked'), one)
  }
  for (const one of ['(?:.{1000}){1000}x', 'a?(?:b{1,70000})c', 'x(?:(?:y{1000}){1000}){1000}']) {
    t.throws(() => linearPattern(one), new PatternError('repeats too much to be checked'), one)
  }
  for (const one of ['(', '[z-a]', '*'])
    t.throws(() => linearPattern(one), new PatternError('is no regular expression'))
  t.throws(() => linearPattern('(?i:a)'), new PatternError('changes its flags, which is not supported'))
  t.end()
})

t.test('a text takes time that grows with its length, whatever the pattern', (t) => {
  const hopeless: [string, string][] = [
    ["^(\\p{L}+[ '-]?)+$", `${'a'.repeat(5000)}1`],
    ['^(a+)+$', `${'a'.repeat(5000)}!`],
    ['^(a{1,20}){1,20}$', `${'a'.repeat(5000)}!`],
    ['^([a-z]|[a-y]|\\p{L})*$', `${'x'.repeat(5000)}1`],
    ['(x+x+)+y', 'x'.repeat(5000)],
  ]
  for (const [source, long] of hopeless) {
    const before = process.cpuUsage()
    t.equal(fits(source, long), false)
    const { user } = process.cpuUsage(before)
    t.ok(user / 1000 < 1000, `${source}: ${user / 1000} ms`)
  }
  t.end()
})
