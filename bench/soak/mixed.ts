// Everything at once for a long time: forwarding, refreshing, signing in and out, and open streams, through one gateway on Redis.
// Run by `node bench/soak/mixed.ts`; SOAK_SECONDS says how long (600). It ends with 1 when a response was not the one
// expected or when memory still grew after the first third.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { startRedis } from '../../test/support/redis/server.ts'
import { median } from '../measure/median.ts'
import { signIn, startGateway, writeConfig } from '../targets/gateway.ts'
import { costOf } from '../targets/process-cost.ts'
import { otherCore, start, stopAll } from '../targets/processes.ts'

const seconds = Number(process.env['SOAK_SECONDS'] ?? 600)
/** Of the middle third's memory; V8 keeps some room to itself, a leak does not stop there. */
const growthLimit = 1.1
const sampleEveryMs = 250

interface Client {
  url: string
  pool: Pool
}

/** One kind of work, and how many do it at once. */
interface Kind {
  name: string
  atOnce: number
  work: (gateway: Client) => Promise<() => Promise<void>>
}

const kinds: readonly Kind[] = [
  { name: 'forwarded', atOnce: 16, work: forwarding },
  { name: 'refreshed', atOnce: 8, work: refreshing },
  { name: 'signed in and out', atOnce: 1, work: signingInAndOut },
  { name: 'streamed to the end', atOnce: 8, work: streaming },
]

const folder = await mkdtemp(join(tmpdir(), 'cardea-soak-'))
const teardowns: (() => Promise<void> | void)[] = []
try {
  process.exitCode = (await soak()) ? 0 : 1
} finally {
  stopAll()
  for (const close of teardowns) await close()
  await rm(folder, { recursive: true, force: true })
}

async function soak(): Promise<boolean> {
  const redis = await startRedis({ teardown: (close) => teardowns.push(close) })
  const service = await start('bench/targets/upstream.ts', [], otherCore)
  const env = { REDIS_URL: redis.url, CARDEA_CONFIG: await writeConfig(folder, service) }
  const gateway = await startGateway({ folder, env })
  const pool = new Pool(gateway.url, { connections: 64 })
  const counts = new Map(kinds.map(({ name }) => [name, 0]))
  const failures: string[] = []
  const endsAt = performance.now() + seconds * 1000
  const [samples] = await Promise.all([
    sampleMemory(gateway.pid, () => performance.now() < endsAt && failures.length === 0),
    ...kinds.flatMap((kind) =>
      Array.from({ length: kind.atOnce }, () => repeat(kind, { url: gateway.url, pool }, endsAt, counts, failures)),
    ),
  ])
  await pool.destroy()
  return report(counts, failures, samples)
}

async function repeat(
  { name, work }: Kind,
  client: Client,
  endsAt: number,
  counts: Map<string, number>,
  failures: string[],
): Promise<void> {
  try {
    const once = await work(client)
    while (performance.now() < endsAt && failures.length === 0) {
      await once()
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  } catch (error) {
    failures.push(`${name}: ${error instanceof Error ? error.message : error}`)
  }
}

async function forwarding({ url, pool }: Client): Promise<() => Promise<void>> {
  const { access_token } = await signIn(url)
  return async () => void (await ask(pool, 'GET', '/svc/large', 200, { authorization: `Bearer ${access_token}` }))
}

async function refreshing({ url, pool }: Client): Promise<() => Promise<void>> {
  let { refresh_token } = await signIn(url)
  return async () => {
    const body = JSON.stringify({ grant_type: 'refresh_token', refresh_token })
    const response = await ask(pool, 'POST', '/auth/token', 200, { 'content-type': 'application/json' }, body)
    // The shape of a token response.
    refresh_token = (JSON.parse(response) as { refresh_token: string }).refresh_token
  }
}

async function signingInAndOut({ url, pool }: Client): Promise<() => Promise<void>> {
  return async () => {
    const { access_token } = await signIn(url)
    await ask(pool, 'POST', '/auth/logout', 204, { authorization: `Bearer ${access_token}` })
    // Hashing a password takes a core for a while; the others shall have most of it.
    await delay(200)
  }
}

async function streaming({ url, pool }: Client): Promise<() => Promise<void>> {
  const { access_token } = await signIn(url)
  return async () => {
    const lines = await ask(pool, 'GET', '/svc/stream', 200, { authorization: `Bearer ${access_token}` })
    if (!lines.endsWith('data: 100\n\n')) throw new Error('a stream was cut')
  }
}

async function ask(
  pool: Pool,
  method: 'GET' | 'POST',
  path: string,
  expected: number,
  headers: Record<string, string>,
  sent?: string,
): Promise<string> {
  const { statusCode, body } = await pool.request({ method, path, headers, body: sent ?? null })
  const response = await body.text()
  if (statusCode !== expected) throw new Error(`${method} ${path} answered ${statusCode}: ${response}`)
  return response
}

async function sampleMemory(pid: number, isOn: () => boolean): Promise<number[]> {
  const samples: number[] = []
  while (isOn()) {
    samples.push(costOf(pid)?.residentBytes ?? Number.NaN)
    await delay(sampleEveryMs)
  }
  return samples
}

function report(counts: ReadonlyMap<string, number>, failures: readonly string[], samples: readonly number[]): boolean {
  for (const [name, count] of counts)
    console.log(`${name.padEnd(20)} ${count} times, ${(count / seconds).toFixed(1)} a second`)
  const third = Math.floor(samples.length / 3)
  const middle = median(samples.slice(third, 2 * third))
  const last = median(samples.slice(2 * third))
  const isFlat = !(last > middle * growthLimit)
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20)
  console.log(
    `resident memory       ${mib(middle)} MiB in the middle third, ${mib(last)} MiB in the last: ${isFlat ? 'flat' : 'it grows'}`,
  )
  for (const failure of failures) console.log(`FAILED: ${failure}`)
  console.log(`answers that were not the one expected: ${failures.length}`)
  return isFlat && failures.length === 0
}
