// The parts of a config that hold for the life of the process.
import { isDeepStrictEqual } from 'node:util'
import { type Config, ConfigError } from '../config/index.ts'
import { show } from '../config/shown-value.ts'

/** What the process has opened, or told to those who count on it, and cannot open anew beside the old. */
const lasting: Record<string, (config: Config) => unknown> = {
  'host and port': ({ listen }) => listen,
  redisUrl: ({ redisUrl }) => redisUrl && 'a Redis',
  dataDir: ({ dataDir }) => dataDir,
  workers: ({ workers }) => workers,
  'metrics.listen': ({ metrics }) => metrics.listen,
  storeTimeout: ({ storeTimeoutMs }) => storeTimeoutMs,
  drain: ({ drainMs }) => drainMs,
  shutdownTimeout: ({ shutdownTimeoutMs }) => shutdownTimeoutMs,
  'limits.headerBytes': ({ limits }) => limits.headerBytes,
  'limits.headersTimeout': ({ limits }) => limits.headersTimeoutMs,
  'limits.keepAliveTimeout': ({ limits }) => limits.keepAliveTimeoutMs,
  'limits.requestTimeout': ({ limits }) => limits.requestTimeoutMs,
}

/**
 * Refuses a config that only a restart can bring about.
 * @param before what the process runs by
 * @throws ConfigError naming every such part
 */
export function requireReloadable(before: Config, after: Config): void {
  const violations = Object.entries(lasting)
    .filter(([, part]) => !isDeepStrictEqual(part(before), part(after)))
    .map(([name, part]) => `${name} is ${show(part(after))} now: it cannot change while the gateway runs; restart it`)
  if (before.redisUrl !== undefined && after.redisUrl !== undefined && before.redisUrl !== after.redisUrl) {
    violations.push('redisUrl names another Redis: it cannot change while the gateway runs; restart it')
  }
  if (!isDeepStrictEqual(before.secrets, after.secrets)) {
    violations.push('CARDEA_SECRET is another one: it cannot change while the gateway runs; restart it')
  }
  if (violations.length > 0) throw new ConfigError(violations)
}
