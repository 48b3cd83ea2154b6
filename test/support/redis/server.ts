// Real Redis servers for tests: REDIS_URL if it is set; else a container, where a Docker engine answers; else redis-server or
// valkey-server on PATH; else from Debian's package, as root; else a sentence. A server started here is ended by the test
// that started it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { debianProgram } from '../processes/debian-program.ts'
import { accepts, freePort } from '../processes/free-port.ts'
import { startRedisContainer } from './container/index.ts'

/** What a test needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void> | void): void
}

/** A server of the test's own. */
export interface RedisServer {
  url: string
  port: number
  /** Ends the process as `kill -9` does. */
  kill(): Promise<void>
  /** Starts it again on the same port with the same folder. */
  start(more?: readonly string[]): Promise<void>
  process(): ChildProcess
}

/** The Redis all tests may share, each under a prefix of its own: REDIS_URL, or a server started for this file. */
export async function sharedRedis(t: Ending): Promise<string> {
  return process.env['REDIS_URL'] ?? (await startRedisContainer(t)) ?? (await startRedis(t)).url
}

export interface ServerSettings {
  /** As on the command line: `['--maxmemory', '10mb']`. */
  args?: readonly string[]
  /** A free one otherwise. */
  port?: number
  /** The text of redis.conf: a sentinel must have one, and is started as such. */
  sentinelFile?: string
}

/** Starts a server on 127.0.0.1, with nothing in it. */
export async function startRedis(t: Ending, settings: readonly string[] | ServerSettings = {}): Promise<RedisServer> {
  const { args = [], port = await freePort(), sentinelFile } = 'length' in settings ? { args: settings } : settings
  const folder = mkdtempSync(join(tmpdir(), 'cardea-redis-'))
  const address = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder]
  const storage = ['--save', '', '--appendonly', 'no', ...args]
  const base =
    sentinelFile === undefined
      ? [...address, ...storage]
      : [writeSettings(folder, sentinelFile), '--sentinel', ...address]
  let child = await launch(base, port)
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  t.teardown(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill,
    start: async (again = []) => {
      child = await launch([...base, ...again], port)
    },
    process: () => child,
  }
}

function writeSettings(folder: string, settings: string): string {
  const path = join(folder, 'redis.conf')
  writeFileSync(path, settings)
  return path
}

/** The program to start. @throws Error with the sentence that says what to install */
export function redisProgram(): string {
  return debianProgram({
    names: ['redis-server', 'valkey-server'],
    package: 'redis-server',
    otherwise:
      'Tests need a real Redis: set REDIS_URL, or install redis-server (Debian: apt-get install redis-server).',
  })
}

async function launch(args: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn(redisProgram(), [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  // A test that crashes runs no teardown; this runs all the same, and ends the server that the test started.
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  for (let attempts = 0; attempts < 500; attempts += 1) {
    if (child.exitCode !== null) throw new Error(`redis-server did not start: ${output}`)
    if (await accepts(port)) return child
    await delay(10)
  }
  throw new Error(`redis-server did not listen on ${port}: ${output}`)
}

let prefixes = 0

/** A prefix for keys that no other test of any process uses. */
export function newPrefix(): string {
  prefixes += 1
  return `c:${process.pid}.${prefixes}:`
}
