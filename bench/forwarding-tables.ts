// The tables of forwarding: Cardea beside the limit, what people build from packages, and proxies written in C. Called by
// run.ts. What cannot be started is named with its reason; nothing is left out without a word.
import { makeCredentials } from './comparisons/credentials.ts'
import { startHaproxy } from './comparisons/haproxy.ts'
import { startNginx } from './comparisons/nginx.ts'
import { addedLatencyMs, type Measured, measureForwarding, type Rounds } from './forwarding.ts'
import { signIn, startGateway, writeConfig } from './gateway.ts'
import { loadGenerator, type Target } from './load.ts'
import { otherCore, type Running, start, startMeasured, stopAll } from './processes.ts'
import { withRedis } from './redis-tables.ts'

interface Candidate {
  name: string
  token?: string
  start: () => Promise<Running>
}

/** Prints requests/s, latency and cost of everything that forwards, for short and for longer answers. */
export async function printForwarding(folder: string, rounds: Rounds): Promise<void> {
  const service = await start('bench/upstream.ts', [], otherCore)
  const targets = await startAll(await candidatesFor(folder, service))
  const [limit, cardea] = targets
  for (const [title, path] of [
    ['200-byte answers', '/svc/small'],
    ['10 KB answers', '/svc/large'],
  ] as const) {
    const measured = await measureForwarding(targets, path, rounds)
    printTable(`forwarding, ${title}, ${loadGenerator}`, measured)
    const halfRate = (measured[1]?.requestsPerSecond ?? 0) / 2
    if (limit === undefined || cardea === undefined) continue
    const addedMs = await addedLatencyMs([limit, cardea], path, halfRate, rounds)
    console.log(`p99 added to the limit's at ${Math.round(halfRate)} requests/s, half of Cardea's: ${addedMs} ms\n`)
  }
  stopAll()
}

/** Prints one worker beside two. All cores are open to both; the load and the service take their part of them. */
export function printWorkers(folder: string, rounds: Rounds): Promise<void> {
  return withRedis(({ url }) => measureWorkers(folder, rounds, url))
}

async function measureWorkers(folder: string, rounds: Rounds, redisUrl: string): Promise<void> {
  const service = await start('bench/upstream.ts', [], '0,1')
  const config = await writeConfig(folder, service)
  const targets: Target[] = []
  for (const workers of ['1', '2']) {
    const env = { CARDEA_CONFIG: config, CARDEA_WORKERS: workers, REDIS_URL: redisUrl }
    targets.push(await cardeaTarget(`${workers} of Cardea's workers`, await startGateway({ folder, env, core: '0,1' })))
  }
  const measured = await measureForwarding(targets, '/svc/small', rounds)
  printTable('forwarding, 200-byte answers, load and service on the same two cores', measured)
  const [one, two] = measured.map(({ cpuUs }) => cpuUs)
  const scale = (2 * (one ?? Number.NaN)) / (two ?? Number.NaN)
  console.log(`By CPU a request, two workers with a core each do ${scale.toFixed(2)} times what one does.\n`)
  stopAll()
}

async function candidatesFor(folder: string, service: string): Promise<Candidate[]> {
  const gateway = await startGateway({ folder, env: { CARDEA_CONFIG: await writeConfig(folder, service) } })
  const { access_token: token } = await signIn(gateway.url)
  const es256 = await makeCredentials('ES256')
  const hs256 = await makeCredentials('HS256')
  const packaged = (file: string, ...args: string[]) => startMeasured(`bench/comparisons/${file}`, [service, ...args])
  return [
    {
      name: 'node:http + undici, no checks (the limit)',
      start: () => startMeasured('bench/bare-forwarder.ts', [service]),
    },
    { name: 'Cardea, everything on, ES256', token, start: async () => gateway },
    {
      name: 'Fastify + @fastify/jwt + @fastify/reply-from, ES256',
      token: es256.token,
      start: () => packaged('reply-from.ts', es256.key),
    },
    {
      name: 'the same, @fastify/jwt with its cache',
      token: es256.token,
      start: () => packaged('reply-from.ts', es256.key, 'cached'),
    },
    {
      name: 'Express + jsonwebtoken + http-proxy-middleware, ES256',
      token: es256.token,
      start: () => packaged('express.ts', es256.key),
    },
    { name: 'nginx proxy_pass, no checks', start: () => startNginx({ folder, service }) },
    {
      name: 'nginx auth_request asking Cardea on the same core',
      token,
      start: () => startNginx({ folder, service, gateway: gateway.url }),
    },
    { name: 'haproxy jwt_verify, ES256', token: es256.token, start: () => startHaproxy(folder, service, es256) },
    { name: 'haproxy jwt_verify, HS256', token: hs256.token, start: () => startHaproxy(folder, service, hs256) },
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

async function cardeaTarget(name: string, running: Running): Promise<Target> {
  const { access_token } = await signIn(running.url)
  return { name, headers: { authorization: `Bearer ${access_token}` }, ...running }
}

function printTable(title: string, measured: readonly Measured[]): void {
  console.log(
    `| ${title} | requests/s | ratio | p50 ms | p99 ms | CPU us a request | RSS MB |\n|---|---|---|---|---|---|---|`,
  )
  for (const { name, requestsPerSecond, ratio, p50Ms, p99Ms, cpuUs, residentBytes } of measured) {
    const cells = [
      Math.round(requestsPerSecond),
      ratio.toFixed(2),
      p50Ms.toFixed(1),
      p99Ms.toFixed(1),
      cpuUs.toFixed(0),
    ]
    console.log(`| ${[name, ...cells, Math.round(residentBytes / 2 ** 20)].join(' | ')} |`)
  }
  console.log()
}
