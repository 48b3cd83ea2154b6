// `npm run bench`: everything that docs/performance.md says about speed, measured in one run and printed as the page has it.
// Real processes over loopback, short rounds in turn, medians of ratios. A figure alone says little on another machine; the
// ratios carry over.
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { printForwarding } from './forwarding-tables.ts'
import { disturbanceNote } from './measure/disturbance.ts'
import { printPropagation } from './propagation.ts'
import { printRecording } from './recording.ts'
import { printRedisMemory } from './redis/tables.ts'
import { printEmbeddedRefreshing, printRedisRefreshing } from './refresh-tables.ts'
import { printRegulation } from './regulation/index.ts'
import { describePinning, otherCore, pinThisProcess, stopAll } from './targets/processes.ts'
import { printWorkers } from './workers.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 9)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 1)
const algorithms = ['ES256', 'EdDSA', 'HS256'] as const

/** Printed in this order; `npm run bench -- redis` prints one of them, `npm run bench -- forwarding limit cardea` a part of one. */
const sections: Record<string, (wanted: readonly string[]) => Promise<void>> = {
  forwarding: (wanted) => printForwarding(folder, { rounds, seconds }, wanted),
  workers: () => printWorkers(folder, { rounds, seconds }),
  embedded: () => printEmbeddedRefreshing(folder, algorithms, { rounds, seconds }),
  redis: () => printRedisRefreshing(folder, algorithms, { rounds, seconds }),
  recording: () => printRecording(folder, { rounds, seconds }),
  propagation: () =>
    printPropagation({ folder, revokes: Number(process.env['BENCH_REVOKES'] ?? 10_000), rounds, seconds }),
  regulation: () => printRegulation(),
  memory: () => printRedisMemory(Number(process.env['BENCH_SESSIONS'] ?? 100_000)),
}

pinThisProcess(otherCore)
const folder = await mkdtemp(join(tmpdir(), 'cardea-bench-'))
try {
  await run(process.argv.slice(2))
} finally {
  stopAll()
  await rm(folder, { recursive: true, force: true })
}

async function run(words: readonly string[]): Promise<void> {
  const chosen = Object.keys(sections).filter((name) => words.includes(name))
  const parts = words.filter((word) => !Object.hasOwn(sections, word))
  if (parts.length > 0 && chosen.length !== 1)
    throw new Error(`${parts} is none of ${Object.keys(sections).join(', ')}`)
  console.log(
    `Node ${process.version}, ${cpus().length} cores (${describePinning()}), ${rounds} rounds of ${seconds} s\n`,
  )
  for (const [name, section] of Object.entries(sections)) {
    if (chosen.length === 0 || chosen.includes(name)) await section(parts)
  }
  console.log(disturbanceNote())
}
