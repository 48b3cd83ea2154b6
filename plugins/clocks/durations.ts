// Durations and rates as people write them in settings: `500ms`, `10s`, `5m`, `7d`, `10/1m`. A number without a unit is never
// guessed at.

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** What a duration looks like, as a JSON Schema pattern. */
export const durationPattern = '^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$'

/** What a rate looks like, as a JSON Schema pattern. */
export const ratePattern = '^[1-9][0-9]{0,8}/[1-9][0-9]{0,8}(ms|s|m|h|d)$'

/** So many in a window. */
export interface Rate {
  max: number
  windowMs: number
}

/**
 * Reads a duration.
 * @param text a whole number and its unit, nothing between: `500ms`, `10s`, `5m`, `2h`, `7d`
 * @returns milliseconds, or undefined when the text is not a duration
 */
export function parseDurationMs(text: string): number | undefined {
  const [, amount, unit] = new RegExp(durationPattern).exec(text) ?? []
  return amount === undefined || !isUnit(unit) ? undefined : Number(amount) * unitMs[unit]
}

/** Writes a duration in its largest whole unit. @param ms a whole number above 0 */
export function writeDuration(ms: number): string {
  const [unit = 'ms', size = 1] = Object.entries(unitMs).findLast(([, size]) => ms % size === 0) ?? []
  return `${ms / size}${unit}`
}

function isUnit(text: string | undefined): text is keyof typeof unitMs {
  return text !== undefined && Object.hasOwn(unitMs, text)
}

/**
 * Reads a rate.
 * @param text a count, a slash and a duration: `10/1m` is ten in a minute
 * @returns the rate, or undefined when the text is not one
 */
export function parseRate(text: string): Rate | undefined {
  if (!new RegExp(ratePattern).test(text)) return undefined
  const [max, window = ''] = text.split('/')
  const windowMs = parseDurationMs(window)
  return windowMs === undefined ? undefined : { max: Number(max), windowMs }
}
