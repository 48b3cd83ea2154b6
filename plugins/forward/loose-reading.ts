// The loosest reading of a path that some service might take: capital letters for small ones, blanks and dots at the ends of
// segments for nothing, escapes decoded again. It is never sent and never matched: what was matched is what is sent, byte for
// byte.

// Services decode once more than they should, or twice; nobody encodes as often as this.
const maxDecodings = 4

/**
 * Whether every reader of a target reads the same path: nothing in it is a capital letter, an escape, or a dot at the end of a
 * segment.
 * @param target origin-form, canonical (see request-target.ts)
 */
export function isPlain(target: string): boolean {
  return plain.test(target)
}

const plain = /^(?:[^A-Z%?.]|\.(?![/?]|$))*(?:\?|$)/

/**
 * Reads a path as loosely as any service might: decoded until nothing is left to decode, without what tells capital letters from
 * small ones, `\` as `/`, segments without what follows `;`, `?`, `#` or NUL and without blanks and dots at their ends.
 * @param path origin-form, canonical, without a query
 * @returns undefined when it was encoded more often than any reader decodes
 */
export function looseReading(path: string): string | undefined {
  const text = decodedWhole(path)
  if (text === undefined) return undefined
  const segments: string[] = []
  const parts = foldedCase(text).replaceAll('\\', '/').split('/').slice(1)
  for (const [at, part] of parts.entries()) {
    const segment = looseSegment(part)
    if (segment === '..') segments.pop()
    else if (segment !== '.' && (segment !== '' || at === parts.length - 1)) segments.push(segment)
  }
  return `/${segments.join('/')}`
}

function decodedWhole(path: string): string | undefined {
  let text = path
  for (let round = 0; round < maxDecodings; round += 1) {
    const decoded = text.replaceAll(/(?:%[0-9A-Fa-f]{2})+/g, bytesOf)
    if (decoded === text) return text
    text = decoded
  }
  return undefined
}

function bytesOf(escapes: string): string {
  return Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('utf8')
}

function looseSegment(part: string): string {
  const [kept = ''] = part.split(/[;?#\0]/, 1)
  if (kept === '.' || kept === '..') return kept
  let [start, end] = [0, kept.length]
  while (start < end && isNothing(kept, start)) start += 1
  while (end > start && isNothing(kept, end - 1)) end -= 1
  // Of dots or blanks alone nothing would be left, and it is some segment.
  return start === end ? kept : kept.slice(start, end)
}

// A dot, a blank or a control, where a file system or a framework trims.
function isNothing(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code <= 0x20 || code === 0x2e || code === 0x7f
}

/**
 * A text without what tells capital letters from small ones, accented letters from bare ones, wide forms from narrow ones. Both
 * ways: to some readers U+017F is `s` and U+212A is `k`.
 */
export function foldedCase(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[\p{M}\p{Cf}]/gu, '')
    .toUpperCase()
    .toLowerCase()
}
