// `npm run bench`: everything that README says about speed, measured in one run and printed as README quotes it.
// Real processes over loopback, rounds in turn, medians. A figure alone says little on another machine; the ratios carry over.
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { printForwarding, printWorkers } from './forwarding-tables.ts'
import { signIn, startGateway } from './gateway.ts'
import { describePinning, otherCore, pinThisProcess, stopAll } from './processes.ts'
import { printPropagation } from './propagation.ts'
import { cellsOf, printRecording, printRedisMemory, printRedisRefreshing, type Startable } from './redis-tables.ts'
import { type Compared, measureRefreshing, prepareRefreshing } from './refreshing.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4)
const algorithms = ['ES256', 'EdDSA', 'HS256'] as const

/** Printed in this order; `npm run bench -- redis` prints one of them. */
const sections: Record<string, () => Promise<void>> = {
  forwarding: () => printForwarding(folder, { rounds, seconds }),
  workers: () => printWorkers(folder, { rounds, seconds }),
  embedded: benchEmbedded,
  redis: () => printRedisRefreshing(algorithms, benchRefreshing),
  recording: () => printRecording('ES256', benchRefreshing),
  propagation: () =>
    printPropagation({ folder, revokes: Number(process.env['BENCH_REVOKES'] ?? 10_000), rounds, seconds }),
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
    const { url } = await startGateway({ folder, file, env: { CARDEA_SIGNING_ALG: alg, ...env } })
    prepared.push(await prepareRefreshing(url, async () => (await signIn(url)).refresh_token))
  }
  const measured = await measureRefreshing(prepared, rounds, seconds)
  // The next ones should have the core to themselves.
  stopAll()
  return measured
}
