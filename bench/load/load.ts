// The load: as many requests as are answered (at a set pace: pacing.ts). wrk where it is on PATH (it leaves most of its core to the
// service), autocannon otherwise. A wrong response is not a fast one: it ends the bench.
import { spawn, spawnSync } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { installOwnPackages } from '../../test/support/processes/own-packages.ts'
import { onCore } from '../targets/processes.ts'

export interface Target {
  name: string
  url: string
  headers: Record<string, string>
  /** The process to account for, with its children. */
  pid: number
}

export interface Throughput {
  requests: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
}

/** What the bench compares Cardea with, and autocannon. */
export const comparisonPackages = new URL('../comparisons/packages/', import.meta.url)

const connections = 64
const hasWrk = spawnSync('wrk', ['-v']).error === undefined

/** What makes the load. */
export const loadGenerator = hasWrk ? 'wrk' : 'autocannon'

/**
 * Keeps every connection busy.
 * @param core that the load is held to, if it is a program; this process' own when absent
 * @throws Error when a response was not 2xx
 */
export function saturate(target: Target, path: string, seconds: number, core?: string): Promise<Throughput> {
  return hasWrk ? runWrk(target, path, seconds, core) : saturateByAutocannon(target, path, seconds)
}

async function saturateByAutocannon(
  { name, url, headers }: Target,
  path: string,
  duration: number,
): Promise<Throughput> {
  await installOwnPackages(comparisonPackages)
  const { runAutocannon } = await import('../comparisons/packages/autocannon.js')
  const result = await runAutocannon({ url: url + path, connections, duration, headers })
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${name}: ${result.non2xx} answers were not 2xx`)
  const { requests, latency } = result
  return { requests: requests.total, requestsPerSecond: requests.average, p50Ms: latency.p50, p99Ms: latency.p99 }
}

async function runWrk(
  { name, url, headers }: Target,
  path: string,
  seconds: number,
  core?: string,
): Promise<Throughput> {
  const fields = Object.entries(headers).flatMap(([field, value]) => ['-H', `${field}: ${value}`])
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', ...fields, url + path]
  const [program = 'wrk', ...rest] = [...(core === undefined ? [] : onCore(core)), 'wrk', ...args]
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  const said = await text(child.stdout)
  if (/Non-2xx|Socket errors/.test(said)) throw new Error(`${name}: ${said}`)
  return {
    requests: Number(/(\d+) requests in/.exec(said)?.[1]),
    requestsPerSecond: Number(/Requests\/sec: +([\d.]+)/.exec(said)?.[1]),
    p50Ms: milliseconds(/50% +(\S+)/.exec(said)?.[1]),
    p99Ms: milliseconds(/99% +(\S+)/.exec(said)?.[1]),
  }
}

// `612.00us`, `5.27ms`, `1.02s`
function milliseconds(written = ''): number {
  const value = Number.parseFloat(written)
  if (written.endsWith('us')) return value / 1000
  return written.endsWith('ms') ? value : value * 1000
}
