// `npm run bench`: everything that README says about speed, measured in one run and printed as README quotes it.
// Real processes over loopback, rounds in turn, medians. A figure alone says little on another machine; the ratios carry over.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, devNull, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../test/free-port.ts'
import { type Measured, measureForwarding } from './forwarding.ts'
import { describePinning, measuredCore, otherCore, pinThisProcess, start, stopAll } from './processes.ts'
import { cellsOf, printRedisMemory, printRedisRefreshing, type Startable } from './redis-tables.ts'
import { type Compared, measureRefreshing, prepareRefreshing } from './refreshing.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4)
const password = 'a password for the bench'
const secret = randomBytes(48).toString('base64url')
const algorithms = ['ES256', 'EdDSA', 'HS256'] as const

/** Printed in this order; `npm run bench -- redis` prints one of them. */
const sections: Record<string, () => Promise<void>> = {
  forwarding: benchForwarding,
  embedded: benchEmbedded,
  redis: () => printRedisRefreshing(algorithms, benchRefreshing),
  memory: () => printRedisMemory(Number(process.env['BENCH_SESSIONS'] ?? 100_000)),
}

pinThisProcess(otherCore)
const folder = await mkdtemp(join(tmpdir(), 'cardea-bench-'))
try {
  await run()
} finally {
  stopAll()
  await rm(folder, { recursive: true, force: true })
}

async function run(): Promise<void> {
  const wanted = process.argv.slice(2)
  console.log(
    `Node ${process.version}, ${cpus().length} cores (${describePinning()}), ${rounds} rounds of ${seconds} s\n`,
  )
  for (const [name, section] of Object.entries(sections)) {
    if (wanted.length === 0 || wanted.includes(name)) await section()
  }
}

async function benchForwarding(): Promise<void> {
  const service = await start('bench/upstream.ts', [], otherCore)
  const bare = await start('bench/bare-forwarder.ts', [service], measuredCore)
  const config = join(folder, 'cardea.config.yaml')
  await writeFile(config, `routes:\n  - prefix: /svc\n    upstream: ${service}\n    policy: authenticated\n`)
  const gateway = await startGateway('src/server.ts', { CARDEA_SIGNING_ALG: 'ES256', CARDEA_CONFIG: config })
  const { access_token } = await signIn(gateway)
  const targets = [
    { name: 'node:http + undici, no checks', url: bare, headers: {} },
    { name: 'Cardea, everything on (ES256)', url: `${gateway}`, headers: { authorization: `Bearer ${access_token}` } },
  ]
  printForwarding('200-byte answers', await measureForwarding(targets, '/svc/small', rounds, seconds))
  printForwarding('10 KB answers', await measureForwarding(targets, '/svc/large', rounds, seconds))
}

async function benchEmbedded(): Promise<void> {
  console.log('| refreshing, embedded store, 32 sessions at once | refreshes/s | p50 ms | p99 ms |\n|---|---|---|---|')
  for (const alg of algorithms) {
    const [measured] = await benchRefreshing(alg, [{ file: 'src/server.ts' }])
    if (measured) console.log(`| ${alg} | ${cellsOf(measured)} |`)
  }
  console.log()
}

async function benchRefreshing(alg: string, gateways: readonly Startable[]): Promise<Compared[]> {
  const prepared = []
  for (const { file, env } of gateways) {
    const url = await startGateway(file, { CARDEA_SIGNING_ALG: alg, ...env })
    prepared.push(await prepareRefreshing(url, async () => (await signIn(url)).refresh_token))
  }
  const measured = await measureRefreshing(prepared, rounds, seconds)
  // The next ones should have the core to themselves.
  stopAll()
  return measured
}

function printForwarding(title: string, measured: Measured[]): void {
  console.log(`| authenticated forwarding, ${title} | requests/s | p50 ms | p99 ms | ratio |\n|---|---|---|---|---|`)
  for (const { name, requestsPerSecond, p50Ms, p99Ms, ratio } of measured) {
    console.log(`| ${name} | ${Math.round(requestsPerSecond)} | ${p50Ms} | ${p99Ms} | ${ratio.toFixed(2)} |`)
  }
  console.log()
}

async function startGateway(file: string, env: NodeJS.ProcessEnv): Promise<string> {
  const port = await freePort()
  await start(file, [], measuredCore, {
    PORT: String(port),
    CARDEA_CONFIG: devNull,
    CARDEA_DATA_DIR: join(folder, String(port)),
    CARDEA_SECRET: secret,
    CARDEA_ADMIN_PASSWORD: password,
    CARDEA_LOGIN_LIMIT: '10000/1m',
    CARDEA_ACCESS_TTL: '1h',
    CARDEA_LOG_LEVEL: 'error',
    ...env,
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
