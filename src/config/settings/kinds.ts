// The kinds of values a setting can have: how each is written in the file (a schema), in the environment (text), and read. A
// kind never prints a value and never guesses at one.
import { isIP } from 'node:net'
import Type, { type Static, type TSchema } from 'typebox'
import Value from 'typebox/value'
import {
  durationPattern,
  parseDurationMs,
  parseRate,
  type Rate,
  ratePattern,
} from '../../../plugins/clocks/durations.ts'

/** What reading gives: a value, or what would have been right. */
export type SettingReading<T> = { ok: true; value: T } | { ok: false; wants: string }

export interface SettingKind<T> {
  /** The form in the file, published for editors. */
  schema: TSchema
  /** What is right, as the end of "write …". */
  wants: string
  /** The text of an environment variable in the form of the file. */
  fromText(text: string): unknown
  /** Reads the form of the file. */
  read(value: unknown): SettingReading<T>
}

interface Declaration<S extends TSchema, T> {
  schema: S
  wants: string
  fromText?: (text: string) => unknown
  /** @returns undefined when the schema was not enough to tell a wrong value */
  parse: (value: Static<S>) => T | undefined
}

function declare<S extends TSchema, T>({ schema, wants, fromText, parse }: Declaration<S, T>): SettingKind<T> {
  return {
    schema,
    wants,
    fromText: fromText ?? ((text) => text),
    read(value) {
      const parsed = Value.Check(schema, value) ? parse(value) : undefined
      return parsed === undefined ? { ok: false, wants } : { ok: true, value: parsed }
    },
  }
}

/**
 * A whole number.
 * @param minimum least value taken
 * @param maximum greatest value taken
 */
export function integer(minimum: number, maximum: number): SettingKind<number> {
  return declare({
    schema: Type.Integer({ minimum, maximum }),
    wants: `a whole number from ${minimum} to ${maximum}`,
    fromText: (text) => (/^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : text),
    parse: (value) => value,
  })
}

/** `true` or `false`. */
export function flag(): SettingKind<boolean> {
  return declare({
    schema: Type.Boolean(),
    wants: 'true or false',
    fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
    parse: (value) => value,
  })
}

/**
 * A duration, read as milliseconds.
 * @param least shortest one taken, as a duration
 * @param most longest one taken, as a duration
 */
export function durationMs(least: string, most: string): SettingKind<number> {
  return declare({
    schema: Type.String({ pattern: durationPattern }),
    wants: `a duration from ${least} to ${most}, such as 500ms, 10s, 5m, 2h or 7d`,
    parse: (text) => between(parseDurationMs(text), least, most),
  })
}

/**
 * A duration of whole seconds, read as seconds: tokens and cookies know nothing finer.
 * @param least shortest one taken, as a duration
 * @param most longest one taken, as a duration
 */
export function durationSeconds(least: string, most: string): SettingKind<number> {
  return declare({
    schema: Type.String({ pattern: durationPattern }),
    wants: `a duration of whole seconds from ${least} to ${most}, such as 10s, 5m, 2h or 7d`,
    parse: (text) => wholeSeconds(between(parseDurationMs(text), least, most)),
  })
}

function between(ms: number | undefined, least: string, most: string): number | undefined {
  const [minMs, maxMs] = [parseDurationMs(least) ?? 0, parseDurationMs(most) ?? 0]
  return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined
}

function wholeSeconds(ms: number | undefined): number | undefined {
  return ms !== undefined && ms % 1000 === 0 ? ms / 1000 : undefined
}

/** So many in a window of one second to one day. */
export function rate(): SettingKind<Rate> {
  return declare({
    schema: Type.String({ pattern: ratePattern }),
    wants: 'a count and a window from 1s to 1d, such as 10/1m',
    parse: (text) => {
      const parsed = parseRate(text)
      return parsed && between(parsed.windowMs, '1s', '1d') ? parsed : undefined
    },
  })
}

/** The same, or `off`. */
export function rateOrOff(): SettingKind<Rate | 'off'> {
  const limited = rate()
  return declare({
    schema: Type.Union([Type.Literal('off'), Type.String({ pattern: ratePattern })]),
    wants: 'a count and a window from 1s to 1d, such as 60/1m, or off',
    parse: (text) => {
      if (text === 'off') return text
      const read = limited.read(text)
      return read.ok ? read.value : undefined
    },
  })
}

/**
 * One of a few words.
 * @param words every word that is taken
 */
export function choice<const T extends string>(...words: T[]): SettingKind<T> {
  return declare({
    schema: Type.Union(words.map((word) => Type.Literal(word))),
    wants: words.join(', '),
    parse: (value) => words.find((word) => word === value),
  })
}

/**
 * A text.
 * @param wants what is right, as the end of "write …"
 * @param isRight whether a text is taken
 * @param maxLength longest text taken, in characters
 */
export function text(wants: string, isRight: (value: string) => boolean, maxLength = 2048): SettingKind<string> {
  return declare({
    schema: Type.String({ minLength: 1, maxLength }),
    wants,
    parse: (value) => (isRight(value) ? value : undefined),
  })
}

/**
 * A list of texts without repetition; comma separated in the environment.
 * @param wants what one of them is, as the end of "write …"
 * @param isRight whether one is taken
 */
export function list(wants: string, isRight: (value: string) => boolean): SettingKind<string[]> {
  return declare({
    schema: Type.Array(Type.String({ minLength: 1, maxLength: 2048 }), { maxItems: 64, uniqueItems: true }),
    wants: `${wants}; none twice, at most 64`,
    fromText: (text) => text.split(',').map((part) => part.trim()),
    parse: (values) => (values.every(isRight) ? values : undefined),
  })
}

/** Proxies that are trusted with X-Forwarded-For: a list without repetition, or `none`, which is an empty one said on purpose. */
export function trustedProxies(): SettingKind<string[]> {
  const none = 'none'
  return declare({
    schema: Type.Union([
      Type.Literal(none),
      Type.Array(Type.String({ minLength: 1, maxLength: 2048 }), { maxItems: 64, uniqueItems: true }),
    ]),
    wants:
      'addresses or networks such as 10.0.0.7, 10.0.0.0/8 or fd00::/8, but not everyone (/0), none twice, at most 64; or the word none',
    fromText: (text) => (text === none ? text : text.split(',').map((part) => part.trim())),
    parse: (value) => (typeof value === 'string' ? [] : value.every(isAddressOrNetwork) ? value : undefined),
  })
}

/** How many processes: a number, or `auto` for one a core. */
export function workers(): SettingKind<number | 'auto'> {
  return declare({
    schema: Type.Union([Type.Integer({ minimum: 1, maximum: 256 }), Type.Literal('auto')]),
    wants: 'a whole number from 1 to 256, or auto',
    fromText: (text) => (/^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : text),
    parse: (value) => value,
  })
}

/**
 * Tells whether a text is an address or a network that may be trusted with X-Forwarded-For.
 * @param text `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`; a network of everyone (`/0`) is not taken
 */
function isAddressOrNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0 || address.includes('%')) return false
  if (prefix === undefined) return true
  return /^[1-9][0-9]{0,2}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128)
}

/** Schemes whose pages have no origin that they could be told by, or that no page has. */
const withoutOrigin = /^(?:about|blob|data|file|ftp|javascript|wss?):/

/**
 * Tells whether a text is an origin exactly as browsers send it (RFC 6454 section 6.1), of a web page or of an app: web views and
 * extensions have schemes of their own, such as `capacitor:` and `chrome-extension:`.
 * @param text `https://app.example.com`; no path, no trailing slash, no default port, no `*`
 */
export function isOrigin(text: string): boolean {
  if (!URL.canParse(text) || text.includes('*')) return false
  const { protocol, origin } = new URL(text)
  if (/^https?:$/.test(protocol)) return origin === text
  return /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._-]+(?::[1-9][0-9]{0,4})?$/.test(text) && !withoutOrigin.test(text)
}
