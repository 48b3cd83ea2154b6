// The canonical form of a request target, decided on the raw bytes the client sent, before anything decodes them. Escapes that
// nobody needs are taken out (RFC 3986 section 6.2.2.2); nothing else is repaired: what was matched is what is sent, or nothing is.

/**
 * What a request target is: canonical, `slashed` (canonical but for slashes that are escaped, which only a route takes that asks for
 * them), both in origin-form; or neither (why, for the log).
 */
export type CheckedTarget =
  | { outcome: 'canonical' | 'slashed'; target: string }
  | { outcome: 'refused'; detail: string }

/**
 * Judges the target of a request line.
 *
 * RFC 9112 section 3.2: origin-form, or absolute-form whose authority is the Host field's. `*` and authority-form name no
 * resource here. RFC 3986 section 6.2: several spellings of one path must not be told apart by us and be one for a service.
 * @param raw the target as it stood in the request line
 * @param host the one Host field
 */
export function checkTarget(raw: string, host: string): CheckedTarget {
  const target = raw.charCodeAt(0) === slash ? raw : originForm(raw, host)
  if (target === undefined) return { outcome: 'refused', detail: 'target_form' }
  const detail = faultOf(target)
  if (detail !== undefined) return { outcome: 'refused', detail }
  return target.includes('%') ? withoutNeedlessEscapes(target) : { outcome: 'canonical', target }
}

// RFC 3986 section 6.2.2.2: `%7E` is `~` to everybody. A slash that is escaped ends a segment to some services and not to others, so
// dots beside one are dots beside a slash. The query is the service's own language.
function withoutNeedlessEscapes(target: string): CheckedTarget {
  const end = target.indexOf('?')
  const path = end === -1 ? target : target.slice(0, end)
  const plainPath = path.replace(needlessEscape, (text) => String.fromCharCode(Number.parseInt(text.slice(1), 16)))
  if (dotSegment.test(plainPath)) return { outcome: 'refused', detail: 'path_dot_segment' }
  const outcome = escapedSlash.test(plainPath) ? 'slashed' : 'canonical'
  return { outcome, target: end === -1 ? plainPath : plainPath + target.slice(end) }
}

// Of an unreserved character.
const needlessEscape = /%(?:2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)/gi
const escapedSlash = /%2F/i
const dotSegment = /(?:\/|%2F)\.\.?(?=\/|%2F|$)/i

/**
 * What keeps an origin-form target from being canonical.
 * @param target starts with `/`
 * @returns a word for the log, or undefined for a canonical target
 */
function faultOf(target: string): string | undefined {
  let segmentStart = 1
  for (let i = 1; i < target.length; i += 1) {
    const code = target.charCodeAt(i)
    if (code < 128 && plain[code] === 1) continue
    if (code === slash) {
      const detail = segmentViolation(target, segmentStart, i)
      if (detail !== undefined) return detail
      segmentStart = i + 1
    } else if (code === percent) {
      const detail = escapeViolation(target, i)
      if (detail !== undefined) return detail
      i += 2
    } else if (code === questionMark) {
      return lastSegmentViolation(target, segmentStart, i) ?? queryViolation(target, i + 1)
    } else {
      return 'path_character'
    }
  }
  return lastSegmentViolation(target, segmentStart, target.length)
}

/**
 * Whether a text may be a prefix of the config file: `/`, or segments of unreserved characters with no slash at the end.
 * Only such a prefix means the same to a matcher that decodes and to one that does not.
 */
export function isCanonicalPrefix(text: string): boolean {
  if (text === '/') return true
  return /^(?:\/[A-Za-z0-9._~-]+)+$/.test(text) && faultOf(text) === undefined
}

const slash = 0x2f
const percent = 0x25
const questionMark = 0x3f
const dot = 0x2e

// RFC 3986 section 3.3: pchar, less `;` (path parameters are read differently everywhere), and with `[ ] | ^`, which
// browsers leave bare. `/`, `%` and `?` are handled one by one; `\`, `#`, blanks, controls and non-ASCII are refused.
const plain = tableOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@[]|^")

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (let i = 0; i < characters.length; i += 1) table[characters.charCodeAt(i)] = 1
  return table
}

// RFC 9112 section 3.2.2: a server MUST accept absolute-form. Its authority wins over Host there; here the two must agree.
function originForm(raw: string, host: string): string | undefined {
  const start = raw.startsWith('http://') ? 7 : raw.startsWith('https://') ? 8 : 0
  if (start === 0) return undefined
  const end = raw.indexOf('/', start)
  if (end === -1 || raw.slice(start, end).toLowerCase() !== host.toLowerCase()) return undefined
  return raw.slice(end)
}

function segmentViolation(target: string, start: number, end: number): string | undefined {
  if (start === end) return 'path_empty_segment'
  return dotsOnly(target, start, end) ? 'path_dot_segment' : undefined
}

// The last segment may be empty: `/orders/` is a path of its own.
function lastSegmentViolation(target: string, start: number, end: number): string | undefined {
  return dotsOnly(target, start, end) ? 'path_dot_segment' : undefined
}

function dotsOnly(target: string, start: number, end: number): boolean {
  const length = end - start
  if (length !== 1 && length !== 2) return false
  return target.charCodeAt(start) === dot && target.charCodeAt(end - 1) === dot
}

// An escape must be harmless (no backslash, no control, no byte that UTF-8 never has): an overlong or doubled spelling of `/` or `.`
// is some service's `/` or `.`.
function escapeViolation(target: string, at: number): string | undefined {
  const high = hexValue(target.charCodeAt(at + 1))
  const low = hexValue(target.charCodeAt(at + 2))
  if (high === -1 || low === -1) return 'path_bad_escape'
  const byte = high * 16 + low
  if (byte < 0x21 && byte !== 0x20) return 'path_escaped_control'
  if (byte === 0x7f) return 'path_escaped_control'
  if (byte === 0x5c) return 'path_escaped_separator'
  return byte === 0xc0 || byte === 0xc1 || byte > 0xf4 ? 'path_bad_escape' : undefined
}

// NaN (past the end) fails every comparison and so is no digit.
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

// A query is the service's own language; only what could break the request line or hide in it is refused.
function queryViolation(target: string, start: number): string | undefined {
  for (let i = start; i < target.length; i += 1) {
    const code = target.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return 'query_character'
  }
  return undefined
}
