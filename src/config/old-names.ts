// The names that settings and route options had in 0.1. None of them is taken; each gets a sentence with the name and the form
// of today.
import { writeDuration } from '../../plugins/clocks/durations.ts'
import type { Path } from './file.ts'

interface Renamed {
  now: string
  /** The value of today for one of then. */
  write(value: unknown): string
}

const variables: Readonly<Record<string, string>> = {
  CARDEA_STOP_DELAY: 'CARDEA_SHUTDOWN_TIMEOUT',
  CARDEA_RELOAD_DELAY: 'CARDEA_RELOAD_TIMEOUT',
}

const settingKeys: Readonly<Record<string, Renamed>> = {
  stopDelay: asBefore('shutdownTimeout', '10s'),
  reloadDelay: asBefore('reloadTimeout', '5m'),
}

const routeOptions: Readonly<Record<string, Renamed>> = {
  'timeouts.connectMs': inUnits('timeouts.connect', 1, '2s'),
  'timeouts.headersMs': inUnits('timeouts.headers', 1, '30s'),
  'timeouts.bodyIdleMs': inUnits('timeouts.bodyIdle', 1, '30s'),
  'timeouts.websocketIdleMs': inUnits('timeouts.websocketIdle', 1, '5m'),
  'ejection.firstMs': inUnits('ejection.first', 1, '1s'),
  'ejection.maxMs': inUnits('ejection.max', 1, '1m'),
  'health.intervalMs': inUnits('health.interval', 1, '5s'),
  'health.timeoutMs': inUnits('health.timeout', 1, '2s'),
  'assertion.ttlSeconds': inUnits('assertion.ttl', 1000, '60s'),
  'rateLimit.max': { now: 'rateLimit', write: () => '100/1m' },
  'rateLimit.windowSeconds': { now: 'rateLimit', write: () => '100/1m' },
}

function asBefore(now: string, example: string): Renamed {
  return { now, write: (value) => (typeof value === 'string' ? value : example) }
}

function inUnits(now: string, unitMs: number, example: string): Renamed {
  const isAmount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0
  return { now, write: (value) => (isAmount(value) ? writeDuration(value * unitMs) : example) }
}

/** What an environment variable is called today, as the end of a sentence; undefined when it never had another name. */
export function renamedVariable(name: string): string | undefined {
  return Object.hasOwn(variables, name) ? `is now ${variables[name]}` : undefined
}

/**
 * What a member of the file is called today.
 * @param path of a member that is not known, or whose value is not right
 * @param value as it is written
 * @returns the end of a sentence; undefined when nothing there had another name
 */
export function renamedMember(path: Path, value: unknown): string | undefined {
  const option = path[0] === 'routes' ? path.slice(2) : path[0] === 'defaults' ? path.slice(1) : undefined
  const [table, name] = option ? [routeOptions, option.join('.')] : [settingKeys, path.join('.')]
  const renamed = Object.hasOwn(table, name) ? table[name] : undefined
  if (renamed) return `is now ${renamed.now}: write ${renamed.write(value)}`
  // What was an object of members and is one text now.
  if (!option || typeof value !== 'object' || value === null) return undefined
  const old = Object.keys(value).filter((key) => routeOptions[`${name}.${key}`]?.now === name)
  if (old.length === 0) return undefined
  return `is now one text, in the place of ${old.join(' and ')}: write ${routeOptions[`${name}.${old[0]}`]?.write(value)}`
}
