// Several processes behind one port: all serve, one that is killed is replaced, and stopping or renewing them under load drops
// no request. Real processes, a real Redis.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { eventually } from '../../support/eventually.ts'
import { adminPassword, keepAlive, refresh, signIn } from '../../support/gateway-client.ts'
import { accepts } from '../../support/processes/free-port.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { processEnvironment } from '../../support/processes/process-environment.ts'
import { startRedis } from '../../support/redis/server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

// Some twenty starts of a process, on machines that may have little to give.
t.setTimeout(400_000)
const secret = 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc'
const redis = await startRedis(t)
const routesFile = join(temporaryFolder(t), 'cardea.config.yaml')
writeFileSync(routesFile, 'docs: false\n')

async function startWorkers(t: Test, env: Record<string, string> = {}): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({
    REDIS_URL: redis.url,
    CARDEA_WORKERS: '2',
    CARDEA_SECRET: secret,
    CARDEA_ISSUER: 'https://gateway.test',
    CARDEA_ADMIN_PASSWORD: adminPassword,
    CARDEA_LOGIN_LIMIT: '10000/1m',
    CARDEA_REFRESH_LIMIT: 'off',
    CARDEA_LOG_LEVEL: 'info',
    CARDEA_DATA_DIR: temporaryFolder(t),
    ...env,
  })
  t.teardown(() => gateway.kill('SIGKILL'))
  await eventually('the gateway says that it is up', () => gateway.output.some((line) => line.includes('operators')))
  return gateway
}

/** Whose log lines tell of refreshes. */
function serving({ output }: GatewayProcess): Set<number> {
  const events = output.filter((line) => line.includes('"event":"rotated"'))
  return new Set(events.map((line) => Number(JSON.parse(line).pid)))
}

interface Load {
  responded: number
  /** Codes of failed connections and statuses that are not 200, each time it happened. */
  failures: string[]
  /** Ends the load. @returns the newest token of each client */
  stop(): Promise<string[]>
}

/**
 * Clients that refresh without end, each its own session, presenting a token again when the connection failed: its response may
 * have been lost.
 * @param isOver after a failure: the client need not go on
 */
async function startLoad(t: Test, url: string, agent: Agent, isOver: (failure: string) => boolean): Promise<Load> {
  t.teardown(() => agent.destroy())
  let isStopped = false
  const load: Load = { responded: 0, failures: [], stop: async () => [] }
  const client = async (token: string): Promise<string> => {
    for (let newest = token; ; ) {
      if (isStopped) return newest
      const response = await refresh(url, newest, agent).catch(codeOf)
      if (typeof response === 'object' && response.status === 200) {
        newest = response.refreshToken ?? newest
        load.responded += 1
        continue
      }
      const failure = typeof response === 'object' ? String(response.status) : response
      load.failures.push(failure)
      if (isOver(failure)) return newest
    }
  }
  const tokens = await Promise.all(Array.from({ length: 12 }, async () => (await signIn(url)).refresh_token))
  const clients = tokens.map(client)
  load.stop = () => {
    isStopped = true
    return Promise.all(clients)
  }
  return load
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** Every request a connection of its own. */
const oneShot = () => new Agent({ pipelining: 0 })

function more(load: Load, count: number): Promise<void> {
  const goal = load.responded + count
  return eventually(`${count} more refreshes are answered`, () => load.responded >= goal, 30_000)
}

t.test('all workers serve; the banner and the first admin are there once; the CLI sees the same store', async (t) => {
  const gateway = await startWorkers(t)
  const load = await startLoad(t, gateway.url, oneShot(), () => true)
  await eventually('both workers serve', () => serving(gateway).size === 2)
  await load.stop()
  t.strictSame(load.failures, [])
  t.strictSame([...serving(gateway)].sort(), gateway.workers.sort())
  t.equal(gateway.output.filter((line) => /^Cardea .*store: (Redis|Valkey) .*, 2 workers/.test(line)).length, 1)
  t.equal(gateway.output.filter((line) => line.includes('operators')).length, 1)
  t.match(await gateway.cli(['users', 'list']), /^admin /m)
  t.match(await gateway.cli(['sessions', 'revoke', '--sub', 'admin']), /^sessions ended: [1-9]/)
  t.equal(await gateway.stop(), 0)
})

t.test(
  'kill -9 of a worker: the port never refuses, no session is lost, and another worker takes its place',
  async (t) => {
    const gateway = await startWorkers(t)
    const load = await startLoad(t, gateway.url, oneShot(), (failure) => failure === 'ECONNREFUSED')
    await more(load, 100)
    const before = gateway.workers
    const [victim = 0, survivor = 0] = before
    process.kill(victim, 'SIGKILL')
    await eventually('there are two workers again', () => {
      const now = gateway.workers
      return now.length === 2 && !now.includes(victim) && now.includes(survivor)
    })
    const [successor = 0] = gateway.workers.filter((pid) => pid !== survivor)
    await eventually('the new worker serves', () => serving(gateway).has(successor))
    await more(load, 100)
    const tokens = await load.stop()
    t.notOk(load.failures.includes('ECONNREFUSED'))
    t.ok(
      load.failures.every((code) => /^(ECONNRESET|UND_ERR_SOCKET)$/.test(code)),
      `cut by the kill: ${load.failures}`,
    )
    const agent = keepAlive(12)
    t.teardown(() => agent.close())
    for (const token of tokens) t.equal((await refresh(gateway.url, token, agent)).status, 200)
    t.match(gateway.output.join('\n'), /a worker ended; another one is started/)
    t.equal(await gateway.stop(), 0)
  },
)

t.test(
  'all workers killed at once: the port stays open, and who comes meanwhile waits for the next worker',
  async (t) => {
    const gateway = await startWorkers(t)
    const agent = oneShot()
    t.teardown(() => agent.destroy())
    const { refresh_token: token } = await signIn(gateway.url)
    for (const pid of gateway.workers) process.kill(pid, 'SIGKILL')
    await eventually(
      'they are gone',
      () => gateway.output.filter((line) => line.includes('a worker ended')).length >= 2,
    )
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => refresh(gateway.url, token, agent).catch(codeOf)),
    )
    t.strictSame(
      [...new Set(responses.map((response) => (typeof response === 'object' ? response.status : response)))],
      [200],
    )
    t.equal(await gateway.stop(), 0)
    t.notOk(await accepts(Number(new URL(gateway.url).port)), 'and then it is closed')
  },
)

t.test('SIGTERM under load: every request that was sent is answered, then the port is closed, with 0', async (t) => {
  const gateway = await startWorkers(t)
  const load = await startLoad(t, gateway.url, keepAlive(12), () => true)
  await more(load, 200)
  t.equal(await gateway.stop(), 0)
  await load.stop()
  t.strictSame([...new Set(load.failures)], ['ECONNREFUSED'], 'nothing but the closed port')
  t.equal(load.failures.length, 12)
})

t.test(
  'SIGUSR2 under load renews the workers one by one, under the config read anew, and drops no request',
  async (t) => {
    const gateway = await startWorkers(t, { CARDEA_CONFIG: routesFile })
    const loads = await Promise.all(
      [oneShot(), keepAlive(12)].map((agent) => startLoad(t, gateway.url, agent, () => true)),
    )
    const isServed = async () => (await fetch(`${gateway.url}/docs/json`)).status
    t.equal(await isServed(), 404)
    const before = gateway.workers
    writeFileSync(routesFile, 'docs: true\n')
    gateway.kill('SIGUSR2')
    await eventually(
      'the workers are renewed',
      () => gateway.output.some((line) => line.includes('are renewed')),
      30_000,
    )
    for (const load of loads) await more(load, 50)
    for (const load of loads) {
      await load.stop()
      t.strictSame(load.failures, [])
    }
    const after = gateway.workers
    t.equal(after.length, 2)
    t.notOk(after.some((pid) => before.includes(pid)))
    t.equal(await isServed(), 200)

    writeFileSync(routesFile, 'docs: maybe\n')
    gateway.kill('SIGUSR2')
    await eventually('it is refused', () => gateway.output.some((line) => line.includes('stay as they are')))
    t.match(gateway.output.join('\n'), /docs is \\"maybe\\"/)
    writeFileSync(routesFile, '')
    gateway.kill('SIGUSR2')
    const refused = /"detail":"[^"]*is empty or gone[^}]*not renewed yet/
    await eventually('so is one that lost everything', () => gateway.output.some((line) => refused.test(line)))
    t.strictSame(gateway.workers, after)
    t.equal(await gateway.stop(), 0)
  },
)

t.test('a worker that ends again and again is started again ever more slowly', async (t) => {
  const gateway = await startWorkers(t)
  const ended = () =>
    gateway.output.filter((line) => line.includes('a worker ended')).map((line) => JSON.parse(line).time)
  const started: number[] = []
  for (let i = 1; i <= 5; i += 1) {
    process.kill(gateway.workers[0] ?? 0, 'SIGKILL')
    await eventually('it is noticed', () => ended().length === i)
    await eventually('there are two workers again', () => gateway.workers.length === 2)
    started.push(Date.now())
  }
  const gaps = started.map((time, i) => time - ended()[i])
  t.ok((gaps[4] ?? 0) >= 800, `the fifth had to wait: ${gaps.join(', ')} ms`)
  t.ok((gaps[0] ?? Infinity) < 800, 'the first had not')
})

t.test('a port that is taken is said once, and nothing stays behind', async (t) => {
  const gateway = await startWorkers(t)
  const { port } = new URL(gateway.url)
  const settings = { HOST: '127.0.0.1', PORT: port, REDIS_URL: redis.url, CARDEA_WORKERS: '2' }
  const env = processEnvironment({ ...settings, CARDEA_SECRET: secret, CARDEA_DATA_DIR: temporaryFolder(t) })
  const child = spawn(process.execPath, ['src/server.ts'], { cwd: new URL('../../..', import.meta.url).pathname, env })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  child.stdout.resume()
  const lines = (await text(child.stderr)).trimEnd().split('\n')
  t.strictSame(await exited, [1, null])
  t.equal(lines.length, 1)
  t.match(lines[0], /^Cardea did not start: 127\.0\.0\.1:\d+ is in use; /)
})
