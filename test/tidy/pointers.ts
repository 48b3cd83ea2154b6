// Pointers of a text to documents: paths of Markdown pages with an anchor or without, and words that mean a document which
// nobody can find (a section of "the design", the number of a requirement). It reads nothing but the text.

export interface Pointer {
  /** From 1. */
  line: number
  /** `docs/redis.md`, `docs/architecture.md#event`; or the words, when they name no file. */
  target: string
  /** The words name a document of which no path is given. */
  isNowhere: boolean
}

const page = /(?<![\w/.:-])((?:[\w-]+\/)*[\w-]+\.md)(#[\w-]+)?/g
// Written in pieces, so that this file does not offend itself.
const nowhere = new RegExp(
  [
    String.raw`\b[Dd]esign (section )?\d`,
    String.raw`\b[Rr]equire` + String.raw`ments? [A-Z]-\d`,
    String.raw`(?<![\w-])[A-Z]-\d{2}(?![\w-])`,
    String.raw`\b(see|as|of|in) issue #?\d`,
  ].join('|'),
  'g',
)

/** Every pointer of a text, in order. */
export function pointersOf(text: string): Pointer[] {
  return text
    .split('\n')
    .flatMap((content, at) => [
      ...[...content.matchAll(page)].map(([target]) => ({ line: at + 1, target, isNowhere: false })),
      ...[...content.matchAll(nowhere)].map(([target]) => ({ line: at + 1, target, isNowhere: true })),
    ])
}

const comment = /^\s*(?:\/\/|--|\/?\*)|\/\/ /
const source = /(?<![\w/.@-])(?:\.{1,2}\/)*((?:[\w.-]+\/)*[\w-]+(?:\.test)?\.(?:ts|js|lua))\b/g

/** Every source that a comment names, by its name or the end of its path. */
export function sourcesNamedIn(text: string): { line: number; target: string }[] {
  return text.split('\n').flatMap((content, at) => {
    const start = content.search(comment)
    if (start === -1) return []
    return [...content.slice(start).matchAll(source)].map(([, target = '']) => ({ line: at + 1, target }))
  })
}
