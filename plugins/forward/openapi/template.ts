// A path template and what it matches, for the few places that ask without the router. It takes one pass over a path, however
// many parameters a segment has: anyone can send any path.

export class PathTemplate {
  /** For each segment the literal parts around its parameters. */
  readonly #segments: readonly (readonly string[])[]

  /** @param path such as `/orders/{id}` */
  constructor(path: string) {
    this.#segments = path.split('/').map((segment) => segment.split(/\{[^{}]+\}/))
  }

  /** Whether a path, without its query, is of this form; a parameter is at least one character of one segment. */
  matches(path: string): boolean {
    const given = path.split('/')
    return given.length === this.#segments.length && this.#segments.every((parts, i) => isOf(parts, given[i] ?? ''))
  }
}

// The first place of each literal part leaves the most room for what follows, so no other one needs to be tried.
function isOf(parts: readonly string[], segment: string): boolean {
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return segment === first
  if (!segment.startsWith(first) || !segment.endsWith(last)) return false
  let end = first.length
  for (const part of rest) {
    const at = segment.indexOf(part, end + 1)
    if (at === -1) return false
    end = at + part.length
  }
  return end < segment.length - last.length
}
