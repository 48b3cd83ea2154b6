// The config of the gateway: read from the file and the environment, checked as a whole, and handed on as plain data. It
// writes nothing; a config with one mistake is no config at all.
import { availableParallelism } from 'node:os'
import { basename, isAbsolute, join, resolve } from 'node:path'
import type { AttemptRate } from '../../plugins/credentials/login-budgets.ts'
import type { RouteConfig } from '../../plugins/forward/route/compile.ts'
import type { RetryBinding } from '../../plugins/session-store/retry-binding.ts'
import type { Draft } from './draft.ts'
import { type ConfigFile, type Path, readConfigFile, valueAt } from './file.ts'
import { type LimitsConfig, limitsOf } from './limits-config.ts'
import { type MonitoringConfig, monitoringOf } from './monitoring-config.ts'
import { nearestName } from './nearest-name.ts'
import { renamedMember, renamedVariable } from './old-names.ts'
import { type ReachConfig, reachOf } from './reach-config.ts'
import { audiencesOfRoutes } from './route-rules.ts'
import { readRoutes } from './routes.ts'
import { findConflicts } from './rules.ts'
import { findSchemaViolations, type SchemaViolation } from './schema.ts'
import { configFileSetting, type SettingMember, type SettingValues, settings } from './settings/index.ts'
import type { Setting } from './settings/setting.ts'
import { show } from './shown-value.ts'
import { type Expanded, expandVariables, hideVariables } from './variables.ts'

export interface Config extends MonitoringConfig, ReachConfig {
  /** NODE_ENV is `production`. */
  production: boolean
  listen: { host: string; port: number }
  issuer: string
  /** The first one is the default. */
  audiences: string[]
  clientId: string
  /** Newest first. Empty in development when none is given: first-start.ts makes one. */
  secrets: string[]
  dataDir: string
  /** Undefined: the embedded store in `dataDir`. */
  redisUrl: string | undefined
  storeTimeoutMs: number
  /** Processes behind the port; `auto` is told by the cores of this machine. */
  workers: number
  adminPassword: string | undefined
  accessTtlSeconds: number
  clockToleranceSeconds: number
  idleTtlSeconds: number
  absoluteTtlSeconds: number
  graceMs: number
  /** Live sessions a subject may have. */
  maxSessions: number
  retryBinding: RetryBinding
  /** Failures of one subject: of all strangers together, and of each known device. */
  loginLimit: AttemptRate
  /** Failures from one address. */
  addressLimit: AttemptRate
  /** Rotations of one session. */
  refreshLimit: AttemptRate | 'off'
  /** What changes something under /admin demands a sign-in that is no older. */
  adminMaxAgeSeconds: number
  signing: { alg: 'ES256' | 'EdDSA' | 'RS256' | 'PS256' | 'HS256'; rotateEverySeconds: number }
  hashing: { concurrency: number; queue: number }
  limits: LimitsConfig
  logLevel: string
  maxStalenessMs: number
  onStale: 'reject' | 'serve'
  /** How long a node that is stopped says so, and serves, before it takes no more connections. */
  drainMs: number
  /** How long requests in flight may take to finish when the gateway is stopped. */
  shutdownTimeoutMs: number
  reloadTimeoutMs: number
  /** The config file, whether it is there or not; an absolute path, as those in `routes` are. */
  file: string
  routes: RouteConfig[]
  /** Sentences for the log: nothing is wrong, but somebody should know. */
  notes: string[]
}

/** Thrown when the config cannot be used; holds every mistake, each with its place, what is there and what to write. */
export class ConfigError extends Error {
  readonly violations: string[]

  constructor(violations: string[]) {
    super(
      `The configuration has ${violations.length === 1 ? 'a mistake' : `${violations.length} mistakes`}:\n${violations.map((violation) => `  - ${violation}`).join('\n')}`,
    )
    this.name = 'ConfigError'
    this.violations = violations
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface LoadOptions {
  /** The environment variables. */
  env: Environment
  /** Where relative paths begin. */
  directory: string
}

/**
 * Loads the config: defaults, beaten by the file, beaten by the environment.
 * @param options environment and folder; the process's own when absent
 * @returns the config; in development without CARDEA_SECRET its `secrets` are empty
 * @throws ConfigError with every mistake at once
 */
export function loadConfig({ env, directory }: LoadOptions = { env: process.env, directory: process.cwd() }): Config {
  const violations: string[] = []
  const production = isProduction(env, violations)
  const file = readFile(env, directory, violations)
  const used = file?.used ?? new Map()
  const wrong = file ? collectMismatches(file, violations) : []
  const draft = readSettings({ env, file, wrong, production }, violations)
  violations.push(...unknownVariables(env))
  const conflicts = findConflicts(draft)
  violations.push(...conflicts.violations)
  const hide = (sentence: string) => hideVariables(sentence, used)
  if (violations.length > 0) throw new ConfigError([...new Set(violations.map(hide))])
  const notes = [...new Set(conflicts.notes.map(hide)), ...missingFileNotes(production, file)]
  return assemble(draft, directory, pathOfFile(env, directory), notes)
}

// A misspelt `production` must not start a gateway with a secret of its own making and Swagger UI open.
function isProduction(env: Environment, violations: string[]): boolean {
  const value = env['NODE_ENV'] || 'development'
  if (!['production', 'development', 'test'].includes(value)) {
    violations.push(`NODE_ENV is ${show(value)}: write production or development`)
  }
  return value === 'production'
}

/** The file, its variables expanded. */
interface ReadFile extends ConfigFile, Pick<Expanded, 'violations' | 'used'> {
  /** What stands in the file, where `value` is what it means: sentences show this. */
  written: unknown
}

function readFile(env: Environment, directory: string, violations: string[]): ReadFile | undefined {
  const named = env[configFileSetting.name] || undefined
  const path = pathOfFile(env, directory)
  const read = readConfigFile(path, basename(path))
  if (read.outcome === 'read')
    return { ...read.file, written: read.file.value, ...expandVariables(read.file.value, env) }
  if (read.outcome === 'wrong') violations.push(...read.violations)
  else if (named !== undefined) violations.push(`${configFileSetting.name} is ${show(named)}: there is no such file`)
  return undefined
}

function pathOfFile(env: Environment, directory: string): string {
  return resolve(directory, env[configFileSetting.name] || configFileSetting.otherwise)
}

/** Adds what is wrong with the file and returns the paths of it that must not be read further. */
function collectMismatches(file: ReadFile, violations: string[]): Path[] {
  violations.push(...file.violations.map(({ path, message }) => `${file.place(path)} ${message}`))
  const unread = file.violations.map(({ path }) => path)
  const mismatches = findSchemaViolations(file.value).filter(
    // Of a choice the error stands at the whole of it.
    ({ what, path }) => what !== 'wrong value' || !unread.some((other) => begins(other, path)),
  )
  for (const mismatch of mismatches) violations.push(describeMismatch(file, mismatch))
  return [...unread, ...mismatches.map(({ path }) => path)]
}

function begins(path: Path, start: Path): boolean {
  return start.every((step, at) => path[at] === step)
}

function describeMismatch(file: ReadFile, mismatch: SchemaViolation): string {
  const place = file.place(mismatch.path)
  if (mismatch.what === 'missing key') return `${place} lacks ${show(mismatch.key)}: add it`
  const written = valueAt(file.written, mismatch.path)
  const renamed = renamedMember(mismatch.path, written)
  if (renamed) return `${place} ${renamed}`
  if (mismatch.what === 'unknown key')
    return `${place} is not known: ${suggest(String(mismatch.path.at(-1)), mismatch.known)}`
  const setting = table.find(([, { key }]) => key === mismatch.path.join('.'))?.[1]
  const seen = setting?.secret ? 'not right' : show(written)
  return `${place} is ${seen}: ${setting ? `write ${setting.kind.wants}` : mismatch.wants}`
}

function suggest(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known)
  return nearest ? `did you mean ${nearest}?` : `remove it; known here: ${known.join(', ')}`
}

// Object.entries cannot know that the keys are the members of the table.
const table = Object.entries(settings) as [SettingMember, Setting<unknown>][]

interface Sources {
  env: Environment
  file: ReadFile | undefined
  /** Paths of the file that are reported already. */
  wrong: Path[]
  production: boolean
}

function readSettings(sources: Sources, violations: string[]): Draft {
  const values: Partial<Record<SettingMember, unknown>> = {}
  const places = new Map<SettingMember, string>()
  for (const [member, setting] of table) {
    const found = findRaw(setting, sources)
    if (found === 'reported') continue
    if (found) places.set(member, found.place)
    const raw = found ? found.raw : setting.fallback === undefined ? undefined : setting.kind.fromText(setting.fallback)
    if (raw === undefined) continue
    const reading = setting.kind.read(raw)
    if (reading.ok) values[member] = reading.value
    else
      violations.push(
        `${found?.place ?? setting.name} is ${setting.secret ? 'not right' : show(found ? found.written : raw)}: write ${reading.wants}`,
      )
  }
  return {
    production: sources.production,
    // Each value was made by the kind of its own setting, which is what KnobValues says.
    values: values as Partial<SettingValues>,
    places,
    ...readRoutes(sources.file, sources.wrong),
  }
}

function findRaw(
  setting: Setting<unknown>,
  { env, file, wrong }: Sources,
): { raw: unknown; written: unknown; place: string } | 'reported' | undefined {
  const text = env[setting.name]
  // An empty variable counts as unset: that is what `${NAME:-}` in a compose file makes of an absent one.
  if (text) {
    const raw = setting.kind.fromText(text)
    return { raw, written: raw, place: setting.name }
  }
  if (!file || setting.key === undefined) return undefined
  const path = setting.key.split('.')
  if (wrong.some((other) => path.join('.').startsWith(other.join('.')))) return 'reported'
  const raw = valueAt(file.value, path)
  return raw === undefined ? undefined : { raw, written: valueAt(file.written, path), place: file.place(path) }
}

// What Kubernetes adds to every pod beside a Service that is called `cardea`.
const serviceLink = /^CARDEA_(SERVICE_(HOST|PORT)(_\w+)?=|PORT_\d+_(TCP|UDP)(_\w+)?=|PORT=(tcp|udp):)/

function unknownVariables(env: Environment): string[] {
  const known = [configFileSetting.name, ...table.map(([, { name }]) => name)]
  return Object.keys(env)
    .filter((name) => name.startsWith('CARDEA_') && !known.includes(name) && !serviceLink.test(`${name}=${env[name]}`))
    .map((name) => `${name} ${renamedVariable(name) ?? `is not known: ${suggest(name, known)}`}`)
}

function missingFileNotes(production: boolean, file: ConfigFile | undefined): string[] {
  if (!production || file) return []
  return [
    `There is no ${configFileSetting.otherwise}, so nothing is forwarded; write one or name one in ${configFileSetting.name}.`,
  ]
}

function assemble({ production, values, routes }: Draft, directory: string, file: string, notes: string[]): Config {
  // There were no mistakes, so every setting with a default has its value.
  const all = values as SettingValues
  const issuer = all.issuer ?? `http://127.0.0.1:${all.port || 3000}`
  const audiences = all.audiences ?? [issuer]
  return {
    production,
    listen: { host: all.host, port: all.port },
    issuer,
    audiences: [...audiences, ...audiencesOfRoutes(routes, audiences)],
    clientId: all.clientId,
    secrets: all.secrets ?? [],
    dataDir: isAbsolute(all.dataDir) ? all.dataDir : join(directory, all.dataDir),
    ...{ redisUrl: all.redisUrl, storeTimeoutMs: all.storeTimeoutMs },
    workers: all.workers === 'auto' ? availableParallelism() : all.workers,
    adminPassword: all.adminPassword,
    accessTtlSeconds: all.accessTtlSeconds,
    clockToleranceSeconds: all.clockToleranceSeconds,
    idleTtlSeconds: all.idleTtlSeconds,
    absoluteTtlSeconds: all.absoluteTtlSeconds,
    graceMs: all.graceMs,
    maxSessions: all.maxSessions,
    retryBinding: all.retryBinding,
    loginLimit: all.loginLimit,
    addressLimit: all.addressLimit,
    refreshLimit: all.refreshLimit,
    adminMaxAgeSeconds: all.adminMaxAgeSeconds,
    signing: { alg: all.signingAlg, rotateEverySeconds: all.rotateEverySeconds },
    hashing: { concurrency: all.hashingConcurrency, queue: all.hashingQueue },
    limits: limitsOf(all),
    logLevel: all.logLevel ?? (production ? 'info' : 'warn'),
    ...{ maxStalenessMs: all.maxStalenessMs, onStale: all.onStale },
    drainMs: all.drainMs ?? (production ? 5000 : 0),
    ...{ shutdownTimeoutMs: all.shutdownTimeoutMs, reloadTimeoutMs: all.reloadTimeoutMs },
    file,
    routes,
    notes,
    ...reachOf(all, issuer, production),
    ...monitoringOf(all),
  }
}
