// The log where it cannot go: a full disk, a pipe whose reader hangs or is gone. The gateway serves and ends as ever, says on
// standard error what is wrong, counts what is lost, and says so in the log when that goes again. Real processes.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, readSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { eventually } from '../../support/eventually.ts'
import { freePort } from '../../support/processes/free-port.ts'
import { processEnvironment } from '../../support/processes/process-environment.ts'
import { startRedis } from '../../support/redis/server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

t.setTimeout(300_000)
const root = new URL('../../..', import.meta.url).pathname
const secret = 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc'
const adminPassword = 'a password for the first admin'
/** More than a pipe and the buffer hold. */
const manyLines = 4000
const metricsToken = 'metrics-token-of-the-tests-0123456789'

interface Started {
  child: ChildProcess
  url: string
  stderr: () => string
}

/** A gateway whose standard output is a descriptor of the test's own. */
async function start(t: Test, stdout: number, env: Record<string, string> = {}): Promise<Started> {
  const port = await freePort()
  const child = spawn(process.execPath, ['src/server.ts'], {
    cwd: root,
    stdio: ['ignore', stdout, 'pipe'],
    env: processEnvironment({
      HOST: '127.0.0.1',
      PORT: String(port),
      CARDEA_DATA_DIR: temporaryFolder(t),
      CARDEA_SECRET: secret,
      CARDEA_ADMIN_PASSWORD: adminPassword,
      CARDEA_METRICS_TOKEN: metricsToken,
      CARDEA_LOG_LEVEL: 'info',
      CARDEA_LOGIN_LIMIT: '10000/1m',
      ...env,
    }),
  })
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(
    'it serves',
    async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${errors}`)
      return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok === true
    },
    60_000,
  )
  return { child, url, stderr: () => errors }
}

/** Requests that are refused with a line of the log each. */
async function makeLines({ url }: Started, count: number): Promise<void> {
  const agent = new Agent({ connections: 10 })
  const headers = { authorization: 'Bearer junk', 'user-agent': 'x'.repeat(64) }
  const client = async () => {
    for (let i = 0; i < count / 10; i += 1) {
      const response = await request(`${url}/auth/sessions`, { headers, dispatcher: agent })
      await response.body.dump()
      if (response.statusCode !== 401) throw new Error('it does not serve as ever')
    }
  }
  await Promise.all(Array.from({ length: 10 }, client))
  await agent.close()
}

async function dropped({ url }: Started): Promise<number> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } })
  return Number(/^cardea_log_lines_dropped_total (\d+)$/m.exec(await response.text())?.[1] ?? Number.NaN)
}

async function requireWorking(t: Test, gateway: Started): Promise<void> {
  t.equal((await fetch(`${gateway.url}/livez`, { signal: AbortSignal.timeout(10_000) })).status, 200)
  const signIn = () =>
    fetch(`${gateway.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'admin', password: adminPassword, delivery: 'body' }),
    })
  // On a machine that has much to do, a store may answer late: then 503 says to come again.
  await eventually('people sign in', async () => (await signIn()).status === 200, 30_000)
}

/** @returns its exit code */
async function stop({ child }: Started): Promise<number | null> {
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
  return child.exitCode
}

function openForTest(t: Test, path: string, flags: number | string): number {
  const fd = openSync(path, flags)
  t.teardown(() => closeSync(fd))
  return fd
}

/** A pipe that nobody reads until the test does: its two ends, opened apart, as starting a process makes its end blocking. */
function hangingPipe(t: Test): { reading: number; writing: number } {
  const path = join(temporaryFolder(t), 'pipe')
  execFileSync('mkfifo', [path])
  const reading = openForTest(t, path, constants.O_RDONLY | constants.O_NONBLOCK)
  return { reading, writing: openForTest(t, path, constants.O_WRONLY) }
}

/** What stands in a pipe now. */
function drain(fd: number): string {
  const buffer = Buffer.alloc(65_536)
  let text = ''
  try {
    for (;;) text += buffer.toString('utf8', 0, readSync(fd, buffer))
  } catch {
    return text
  }
}

t.test('standard output on a full disk: people sign in, lines are counted, and the end is as ever', async (t) => {
  const gateway = await start(t, openForTest(t, '/dev/full', 'w'))
  await requireWorking(t, gateway)
  await eventually('standard error says why', () => gateway.stderr().includes('ENOSPC'))
  await makeLines(gateway, manyLines)
  t.ok((await dropped(gateway)) > 0)
  await requireWorking(t, gateway)
  t.equal(gateway.stderr().match(/cannot be written to/g)?.length, 1, 'one line')
  t.equal(await stop(gateway), 0)
})

t.test('a file on a file system without room: what waits comes whole when there is room again', async (t) => {
  const folder = temporaryFolder(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder], { stdio: 'ignore' })
  } catch {
    t.comment('no tmpfs can be mounted here; /dev/full stands for it')
    return
  }
  t.teardown(() => execFileSync('umount', ['-l', folder]))
  const { bavail, bsize } = statfsSync(folder)
  writeFileSync(join(folder, 'ballast'), Buffer.alloc((bavail - 2) * bsize))
  const log = join(folder, 'log')
  const gateway = await start(t, openForTest(t, log, 'a'))
  await makeLines(gateway, 400)
  await requireWorking(t, gateway)
  await eventually('standard error says why', () => gateway.stderr().includes('ENOSPC'))
  execFileSync('mount', ['-o', 'remount,size=4m', folder])
  const lines = () => readFileSync(log, 'utf8').split('\n')
  await eventually('all is there', () => lines().filter((line) => line.includes('token_malformed')).length === 400)
  t.equal(await stop(gateway), 0)
  const objects = lines().filter((line) => line.startsWith('{'))
  for (const line of objects) JSON.parse(line)
  t.match(objects.at(-1), /stopping/, 'the last line too')
})

t.test('a pipe whose reader hangs: the gateway does not; it says how many lines are lost', async (t) => {
  const pipe = hangingPipe(t)
  const gateway = await start(t, pipe.writing)
  await makeLines(gateway, manyLines)
  const lost = await dropped(gateway)
  t.ok(lost > 0, `${lost} lines`)
  await requireWorking(t, gateway)
  let text = ''
  await eventually(
    'the log goes again',
    () => {
      text += drain(pipe.reading)
      return text.includes('so many of its lines are lost')
    },
    30_000,
  )
  const lines = text.split('\n').filter((line) => line.startsWith('{'))
  const told = lines.map((line) => JSON.parse(line)).filter(({ code }) => code === 'EAGAIN')
  t.equal(told.length, 1)
  t.ok(told[0]?.lines >= lost)
  t.equal(lines.filter((line) => line.includes('token_malformed')).length + told[0]?.lines >= manyLines, true)
  await makeLines(gateway, 1000)
  t.equal(await stop(gateway), 0, 'and it stops, though nobody reads')
})

t.test('a reader that is gone before the banner: the gateway says so on standard error, the banner too', async (t) => {
  const child = spawn('sh', ['-c', '"$NODE" src/server.ts | true'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: processEnvironment({
      NODE: process.execPath,
      HOST: '127.0.0.1',
      PORT: String(await freePort()),
      CARDEA_DATA_DIR: temporaryFolder(t),
    }),
    detached: true,
  })
  t.teardown(() => process.kill(-(child.pid ?? 0), 'SIGKILL'))
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  await eventually('standard error says why', () => errors.includes('nobody reads it any more'), 60_000)
  await eventually('the password is told', () => /password: \S{24}/.test(errors))
})

t.test('workers and their primary outlive a full disk', async (t) => {
  const redis = await startRedis(t)
  const gateway = await start(t, openForTest(t, '/dev/full', 'w'), {
    REDIS_URL: redis.url,
    CARDEA_WORKERS: '2',
    CARDEA_ISSUER: 'https://gateway.test',
  })
  const { pid } = gateway.child
  const workers = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
  await eventually('there are two', () => workers().length === 2)
  const [victim = 0] = workers()
  process.kill(victim, 'SIGKILL')
  await eventually('the primary logs that, and replaces it', () => {
    const now = workers()
    return now.length === 2 && !now.includes(victim)
  })
  await requireWorking(t, gateway)
  t.equal(await stop(gateway), 0)
})
