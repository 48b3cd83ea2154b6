// The tables of forwarding: Cardea beside the limit, what people build from packages, and proxies written in C. What cannot
// be started is named with its reason; nothing is left out without a word.
import { installOwnPackages } from '../test/support/processes/own-packages.ts'
import { makeCredentials } from './comparisons/credentials.ts'
import { startHaproxy } from './comparisons/haproxy.ts'
import { startNginx } from './comparisons/nginx.ts'
import { type Measured, measureForwarding } from './forwarding.ts'
import { comparisonPackages, loadGenerator, type Target } from './load/load.ts'
import { measureAdded } from './load/pacing.ts'
import type { Rounds } from './measure/rounds.ts'
import { signIn, startGateway, writeConfig } from './targets/gateway.ts'
import { otherCore, type Running, start, startMeasured, stopAll } from './targets/processes.ts'

interface Candidate {
  /** What it is called on the command line. */
  key: string
  name: string
  token?: string
  start: () => Promise<Running>
}

const paths = [
  ['200-byte responses', '/svc/small'],
  ['10 KB responses', '/svc/large'],
] as const

/**
 * Prints requests/s, latency and cost of everything that forwards, for short and for longer answers.
 * @param wanted keys of candidates; none: all
 */
export async function printForwarding(folder: string, rounds: Rounds, wanted: readonly string[]): Promise<void> {
  const service = await start('bench/targets/upstream.ts', [], otherCore)
  const candidates = await candidatesFor(folder, service)
  const unknown = wanted.filter((key) => !candidates.some((candidate) => candidate.key === key))
  if (unknown.length > 0) throw new Error(`${unknown} is none of ${candidates.map(({ key }) => key).join(', ')}`)
  const targets = await startAll(candidates.filter(({ key }) => wanted.length === 0 || wanted.includes(key)))
  for (const [title, path] of paths) {
    const measured = await measureForwarding(targets, path, rounds)
    printTable(`forwarding, ${title}, ${loadGenerator}`, measured)
    await printAdded(targets, measured, path)
  }
  stopAll()
}

// The first two targets are the limit and Cardea, unless others were asked for.
async function printAdded([limit, target]: Target[], [, measured]: Measured[], path: string): Promise<void> {
  if (limit === undefined || target === undefined || measured === undefined) return
  const halfRate = Math.round(measured.requestsPerSecond / 2)
  const { p50Ms, p99Ms, limitP99Ms, floorP99Ms, lateP99Ms } = await measureAdded([limit, target], path, halfRate)
  const ms = (value: number) => value.toFixed(2)
  console.log(`| at ${halfRate} requests/s, half of what it can: ${target.name} | ms |\n|---|---|`)
  console.log(`| p50 added to the first one's | ${ms(p50Ms)} |\n| p99 added to the first one's | ${ms(p99Ms)} |`)
  console.log(`| p99 that the first one adds to itself: the error of this figure | ${ms(floorP99Ms)} |`)
  console.log(`| p99 of the first one; of the load's own lateness | ${ms(limitP99Ms)}; ${ms(lateP99Ms)} |\n`)
}

async function candidatesFor(folder: string, service: string): Promise<Candidate[]> {
  const gateway = await startGateway({ folder, env: { CARDEA_CONFIG: await writeConfig(folder, service) } })
  const { access_token: token } = await signIn(gateway.url)
  const es256 = await makeCredentials('ES256')
  const hs256 = await makeCredentials('HS256')
  const packaged = async (file: string, ...args: string[]) => {
    await installOwnPackages(comparisonPackages)
    return startMeasured(`bench/comparisons/packages/${file}`, [service, ...args])
  }
  return [
    {
      key: 'limit',
      name: 'node:http + undici, no checks (the limit)',
      start: () => startMeasured('bench/targets/bare-forwarder.ts', [service]),
    },
    { key: 'cardea', name: 'Cardea, everything on, ES256', token, start: async () => gateway },
    {
      key: 'reply-from',
      name: 'Fastify + @fastify/jwt + @fastify/reply-from, ES256',
      token: es256.token,
      start: () => packaged('reply-from.js', es256.key),
    },
    {
      key: 'reply-from-cached',
      name: 'the same, @fastify/jwt with its cache',
      token: es256.token,
      start: () => packaged('reply-from.js', es256.key, 'cached'),
    },
    {
      key: 'express',
      name: 'Express + jsonwebtoken + http-proxy-middleware, ES256',
      token: es256.token,
      start: () => packaged('express.js', es256.key),
    },
    { key: 'nginx', name: 'nginx proxy_pass, no checks', start: () => startNginx({ folder, service }) },
    {
      key: 'nginx-auth',
      name: 'nginx auth_request asking Cardea on the same core',
      token,
      start: () => startNginx({ folder, service, gateway: gateway.url }),
    },
    {
      key: 'haproxy-es256',
      name: 'haproxy jwt_verify, ES256',
      token: es256.token,
      start: () => startHaproxy(folder, service, es256),
    },
    {
      key: 'haproxy-hs256',
      name: 'haproxy jwt_verify, HS256',
      token: hs256.token,
      start: () => startHaproxy(folder, service, hs256),
    },
  ]
}

async function startAll(candidates: readonly Candidate[]): Promise<Target[]> {
  const targets: Target[] = []
  for (const { name, token, start: open } of candidates) {
    try {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      targets.push({ name, headers, ...(await open()) })
    } catch (error) {
      console.log(`Not measured: ${name}. ${error instanceof Error ? error.message : error}\n`)
    }
  }
  return targets
}

/** Prints the table of what was measured. */
export function printTable(title: string, measured: readonly Measured[]): void {
  const columns = [
    'requests/s',
    'ratio',
    'p50 ms',
    'p99 ms',
    'CPU us a request',
    'ratio by CPU',
    'middle half',
    'CPU busy',
    'RSS MB',
  ]
  console.log(`| ${[title, ...columns].join(' | ')} |\n|---|${'---|'.repeat(columns.length)}`)
  for (const { name, requestsPerSecond, ratio, p50Ms, p99Ms, ...spent } of measured) {
    const cells = [
      ...[Math.round(requestsPerSecond), ratio.toFixed(2), p50Ms.toFixed(1), p99Ms.toFixed(1)],
      ...[spent.cpuUs.toFixed(0), spent.cpuRatio.toFixed(2), spent.cpuSpread],
      ...[`${Math.round(spent.busy * 100)} %`, Math.round(spent.residentBytes / 2 ** 20)],
    ]
    console.log(`| ${[name, ...cells].join(' | ')} |`)
  }
  console.log()
}
