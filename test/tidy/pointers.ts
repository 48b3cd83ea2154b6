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
    String.raw`\bdesign (section )?\d`,
    String.raw`\brequire` + String.raw`ments? [A-Z]-\d`,
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
