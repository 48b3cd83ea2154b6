// The bench of revocation, how soon one is known everywhere and what it costs to know many: `npm run bench -- propagation`.
// The measuring is test/plugins/revocation/propagation.ts, whose short form runs with the tests.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Issuer, PropagationScene, settings, startService } from '../test/plugins/revocation/propagation.ts'
import { GatewayProcess } from '../test/support/processes/gateway-process.ts'
import { startRedis } from '../test/support/redis/server.ts'
import { measureForwarding } from './forwarding.ts'
import type { Target } from './load/load.ts'
import { otherCore, start } from './targets/processes.ts'

export interface PropagationBench {
  folder: string
  revokes: number
  rounds: number
  seconds: number
}

const cutEveryMs = 250
const liveEntries = [0, 100_000, 1_000_000]
const batch = 10_000

/** Prints both tables. */
export async function printPropagation(options: PropagationBench): Promise<void> {
  await withTeardown((t) => printLatency(t, options))
  await withTeardown((t) => printLiveEntries(t, options))
}

interface Ending {
  teardown(close: () => Promise<void> | void): void
}

/** Stands in for a test: what is opened last is closed first. */
async function withTeardown(body: (t: Ending) => Promise<void>): Promise<void> {
  const closes: (() => Promise<void> | void)[] = []
  try {
    await body({ teardown: (close) => closes.unshift(close) })
  } finally {
    for (const close of closes) await close()
  }
}

async function printLatency(t: Ending, { folder, revokes }: PropagationBench): Promise<void> {
  const config = join(folder, 'propagation.json')
  await writeFile(config, await startService(t))
  const scene = await PropagationScene.start(t, config)
  console.log(
    `| from the response of a revoke to refusal, 3 nodes, ${revokes} revokes | p50 ms | p99 ms | max ms | missed |`,
  )
  console.log('|---|---|---|---|---|')
  await scene.measure({ revokes: 200 })
  const whole = await scene.measure({ revokes })
  console.log(`| links whole | ${cells(whole.tookMs)} | ${whole.missed} |`)
  const cut = await scene.measure({ revokes, cutEveryMs })
  console.log(
    `| links of the other two cut every ${cutEveryMs} ms (${cut.cuts} times) | ${cells(cut.tookMs)} | ${cut.missed} |`,
  )
  console.log()
}

function cells(sorted: readonly number[]): string {
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(1)
  return `${at(0.5)} | ${at(0.99)} | ${at(1)}`
}

async function printLiveEntries(t: Ending, { folder, rounds, seconds }: PropagationBench): Promise<void> {
  const service = await start('bench/targets/upstream.ts', [], otherCore)
  const config = join(folder, 'live-entries.json')
  await writeFile(config, JSON.stringify({ routes: [{ prefix: '/svc', upstream: service, policy: 'authenticated' }] }))
  const redis = await startRedis(t)
  const nodes = []
  for (const [db, entries] of liveEntries.entries()) {
    nodes.push(await startWith(t, `${redis.url}/${db}`, entries, { ...settings, CARDEA_CONFIG: config }))
  }
  const measured = await measureForwarding(nodes, '/svc/small', { rounds, seconds })
  console.log('| live revocations | loaded in ms | resident MiB | bytes each | forwarded requests/s | ratio by CPU |')
  console.log('|---|---|---|---|---|---|')
  const [bareBytes = 0] = nodes.map(({ residentBytes }) => residentBytes)
  for (const [i, { name, entries, readyMs, residentBytes }] of nodes.entries()) {
    const each = entries === 0 ? '' : Math.round((residentBytes - bareBytes) / entries)
    const { requestsPerSecond = 0, cpuRatio = 0 } = measured[i] ?? {}
    const mib = Math.round(residentBytes / 2 ** 20)
    console.log(
      `| ${name} | ${readyMs} | ${mib} | ${each} | ${Math.round(requestsPerSecond)} | ${cpuRatio.toFixed(2)} |`,
    )
  }
  console.log()
}

async function startWith(t: Ending, url: string, entries: number, env: Record<string, string>) {
  await fillLog(url, entries)
  const startedAt = performance.now()
  const gateway = await GatewayProcess.start({ ...env, REDIS_URL: url })
  const readyMs = Math.round(performance.now() - startedAt)
  t.teardown(async () => void (await gateway.stop()))
  const issuer = await Issuer.start(t, url)
  const headers = { authorization: `Bearer ${(await issuer.issue('bench', [])).token}` }
  const target: Target = { name: String(entries), url: gateway.url, headers, pid: gateway.pid ?? 0 }
  return { ...target, entries, readyMs, residentBytes: residentBytesOf(gateway.pid) }
}

// As sessions/session.lua writes them; a million ends would take minutes.
async function fillLog(url: string, entries: number): Promise<void> {
  const redis = new Redis(url, { protocol: 2 })
  for (let written = 0; written < entries; written += batch) {
    const pipeline = redis.pipeline()
    for (let i = 0; i < batch; i += 1) {
      const entry = { kind: 'session', name: randomBytes(24).toString('base64url'), sub: 'somebody', reason: 'logout' }
      pipeline.xadd('c:revocations', '*', ...Object.entries(entry).flat(), 'at', Date.now())
    }
    await pipeline.exec()
  }
  redis.disconnect()
}

function residentBytesOf(pid: number | undefined): number {
  return Number(spawnSync('ps', ['-o', 'rss=', '-p', String(pid)]).stdout) * 1024
}
