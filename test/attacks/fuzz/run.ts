// The fuzzer as a program: `npm run fuzz -- --minutes=30 --seed=7`, or `--connections=10000`. It says what it did, and ends with
// exit code 1 when it found something, with the seed and the number of the connection.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fuzz } from './fuzzer.ts'
import { openScene } from './rough-scene.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    connections: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
})
const seed = Number(values.seed)
const most = values.connections === undefined ? Number.POSITIVE_INFINITY : Number(values.connections)
const minutes = values.connections === undefined ? Number(values.minutes) : Number.POSITIVE_INFINITY
if (!Number.isInteger(seed) || !(most > 0) || !(minutes > 0)) {
  throw new Error('--seed is a whole number, --minutes and --connections are above 0')
}
const everyMs = 30_000

const folder = mkdtempSync(join(tmpdir(), 'cardea-fuzz-'))
const scene = await openScene(folder)
try {
  const startedAt = performance.now()
  const seconds = () => Math.round((performance.now() - startedAt) / 1000)
  let toldAt = startedAt
  console.log(`fuzzing process ${scene.gateway.pid}, seed ${seed}; ${scene.descriptors()} descriptors`)
  const { connections, statuses, findings } = await fuzz({
    scene,
    seed,
    isOver: (made) => made >= most || performance.now() - startedAt > minutes * 60_000,
    onProgress: (made) => {
      if (performance.now() - toldAt < everyMs) return
      toldAt = performance.now()
      console.log(`${seconds()} s: ${made} connections, ${Math.round(scene.residentMib())} MiB`)
    },
  })
  console.log(`${connections} connections in ${seconds()} s with seed ${seed}; responses: ${JSON.stringify(statuses)}`)
  console.log(`the process holds ${scene.descriptors()} descriptors and ${Math.round(scene.residentMib())} MiB`)
  for (const finding of findings) console.log(`FOUND: ${finding}`)
  console.log(findings.length === 0 ? 'nothing found' : `${findings.length} findings`)
  process.exitCode = findings.length === 0 ? 0 : 1
} finally {
  await scene.close()
  rmSync(folder, { recursive: true, force: true })
}
