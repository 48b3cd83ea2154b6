// `npm run bench`: everything that README says about speed, measured in one run and printed as README quotes it.
// Real processes over loopback, rounds in turn, medians. A figure alone says little on another machine; the ratios carry over.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Measured, measureForwarding } from './forwarding.ts'
import { describePinning, measuredCore, otherCore, pinThisProcess, start, stopAll } from './processes.ts'
import { measureRefreshing } from './refreshing.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4)
const password = 'a password for the bench'
const algorithms = ['ES256', 'EdDSA', 'HS256'] as const

pinThisProcess(otherCore)
const folder = await mkdtemp(join(tmpdir(), 'cardea-bench-'))
try {
  await run()
} finally {
  stopAll()
  await rm(folder, { recursive: true, force: true })
}

async function run(): Promise<void> {
  console.log(
    `Node ${process.version}, ${cpus().length} cores (${describePinning()}), ${rounds} rounds of ${seconds} s\n`,
  )
  const service = await start('bench/upstream.ts', [], otherCore)
  const bare = await start('bench/bare-forwarder.ts', [service], measuredCore)
  const gateway = await startGateway(service, 'ES256')
  const { access_token } = await signIn(gateway)
  const targets = [
    { name: 'node:http + undici, no checks', url: bare, headers: {} },
    { name: 'Cardea, everything on (ES256)', url: `${gateway}`, headers: { authorization: `Bearer ${access_token}` } },
  ]
  printForwarding('200-byte answers', await measureForwarding(targets, '/svc/small', rounds, seconds))
  printForwarding('10 KB answers', await measureForwarding(targets, '/svc/large', rounds, seconds))
  await benchRefreshing(service)
}

async function benchRefreshing(service: string): Promise<void> {
  console.log('| refreshing, embedded store, 32 sessions at once | refreshes/s | p50 ms | p99 ms |\n|---|---|---|---|')
  for (const alg of algorithms) {
    const url = await startGateway(service, alg)
    const token = async () => (await signIn(url)).refresh_token
    const { refreshesPerSecond, p50Ms, p99Ms } = await measureRefreshing(url, token, rounds, seconds)
    console.log(`| ${alg} | ${Math.round(refreshesPerSecond)} | ${p50Ms.toFixed(1)} | ${p99Ms.toFixed(1)} |`)
  }
}

function printForwarding(title: string, measured: Measured[]): void {
  console.log(`| authenticated forwarding, ${title} | requests/s | p50 ms | p99 ms | ratio |\n|---|---|---|---|---|`)
  for (const { name, requestsPerSecond, p50Ms, p99Ms, ratio } of measured) {
    console.log(`| ${name} | ${Math.round(requestsPerSecond)} | ${p50Ms} | ${p99Ms} | ${ratio.toFixed(2)} |`)
  }
  console.log()
}

async function startGateway(service: string, alg: string): Promise<string> {
  const port = await freePort()
  const config = join(folder, `${port}.yaml`)
  await writeFile(config, `routes:\n  - prefix: /svc\n    upstream: ${service}\n    policy: authenticated\n`)
  await start('src/server.ts', [], measuredCore, {
    PORT: String(port),
    CARDEA_CONFIG: config,
    CARDEA_DATA_DIR: join(folder, String(port)),
    CARDEA_ADMIN_PASSWORD: password,
    CARDEA_LOGIN_LIMIT: '10000/1m',
    CARDEA_ACCESS_TTL: '1h',
    CARDEA_SIGNING_ALG: alg,
    CARDEA_LOG_LEVEL: 'error',
  })
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/readyz`).catch(() => undefined))?.ok) await delay(20)
  return url
}

async function signIn(url: string): Promise<{ access_token: string; refresh_token: string }> {
  const answer = await fetch(`${url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password, delivery: 'body' }),
  })
  if (!answer.ok) throw new Error(`login answered ${answer.status}: ${await answer.text()}`)
  // The shape of a token response, design section 6.
  return (await answer.json()) as { access_token: string; refresh_token: string }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
