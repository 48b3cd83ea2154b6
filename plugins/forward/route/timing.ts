// Durations and rates of a route in the form in which they are used at run time: numbers, with their standard values.
import { parseDurationMs, parseRate } from '../../clocks/durations.ts'
import type { RouteConfig } from './schema.ts'

export interface HealthConfig {
  path: string
  intervalMs: number
  timeoutMs: number
  /** Failed checks in a row after which an instance gets no requests. */
  failures: number
}

/** A duration in milliseconds. The schema has refused what is none. */
export function msOf(written: string | undefined, standardMs: number): number {
  return (written === undefined ? undefined : parseDurationMs(written)) ?? standardMs
}

/** When an instance is left alone. */
export function ejectionOf({ failures = 5, first, max }: RouteConfig['ejection'] = {}) {
  return { failures, firstMs: msOf(first, 1000), maxMs: msOf(max, 60_000) }
}

/** How an instance is asked whether it is well. */
export function healthOf({ path, interval, timeout, failures = 2 }: NonNullable<RouteConfig['health']>): HealthConfig {
  return { path, intervalMs: msOf(interval, 5000), timeoutMs: msOf(timeout, 2000), failures }
}

/** How often one caller may use the route. */
export function rateLimitOf(written: RouteConfig['rateLimit']) {
  const rate = written === undefined ? undefined : parseRate(written)
  return rate && { max: rate.max, windowSeconds: rate.windowMs / 1000 }
}
