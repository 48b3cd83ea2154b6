// The process: what it says when it starts, what it refuses to start with, and how it ends. Real processes on real ports.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/processes/free-port.ts'
import { GatewayProcess } from '../support/processes/gateway-process.ts'
import { processEnvironment } from '../support/processes/process-environment.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const root = new URL('../..', import.meta.url).pathname
const secret = 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc'

async function started(t: Test, env: Record<string, string> = {}): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({ CARDEA_DATA_DIR: temporaryFolder(t), ...env })
  t.teardown(() => gateway.kill('SIGKILL'))
  return gateway
}

/** Runs the server where it must end by itself. */
async function refused(
  t: Test,
  env: Record<string, string>,
  args: string[] = [],
): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [...args, '--import', './src/process/node-version.js', 'src/server.ts'], {
    cwd: root,
    env: processEnvironment({ HOST: '127.0.0.1', CARDEA_DATA_DIR: temporaryFolder(t), ...env }),
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  child.stdout.resume()
  const stderr = await text(child.stderr)
  await exited
  return { code: child.exitCode, stderr }
}

/** A service that answers when the test says so. */
async function slowUpstream(t: Test): Promise<{ url: string; held: Promise<ServerResponse> }> {
  const { promise: held, resolve } = Promise.withResolvers<ServerResponse>()
  const server = createServer((_request, response) => resolve(response)).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return { url: `http://127.0.0.1:${address.port}`, held }
}

async function startedBefore(t: Test, upstream: string, env: Record<string, string> = {}): Promise<GatewayProcess> {
  const file = join(temporaryFolder(t), 'cardea.config.yaml')
  writeFileSync(file, `routes:\n  - { prefix: /slow, upstream: "${upstream}", policy: public }\n`)
  return started(t, { CARDEA_CONFIG: file, ...env })
}

function signIn(gateway: GatewayProcess, password: string): Promise<Response> {
  return fetch(`${gateway.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password, delivery: 'body' }),
  })
}

t.test(
  'the first start says where, which store and the password; the next one keeps users and says no password',
  async (t) => {
    const dataDir = temporaryFolder(t)
    const gateway = await started(t, { CARDEA_DATA_DIR: dataDir })
    await eventually('the process gets there', async () => gateway.output.length >= 3)
    const [first = '', second = '', third = '', ...more] = gateway.output
    t.ok(first.includes(`${gateway.url}  (store: embedded (${join(dataDir, 'cardea.db')}), demo upstream at /demo)`))
    t.ok(second.includes(`Swagger UI  ${gateway.url}/docs`))
    t.match(third, /operators .*\/ops {2}\(first admin: admin, password: [A-Za-z2-9]{24} {2}shown only now\)$/)
    t.strictSame(more, [], 'three lines and nothing else')
    const password = /password: (\S+)/.exec(third)?.[1] ?? ''
    t.equal((await signIn(gateway, password)).status, 200)
    t.equal(statSync(join(dataDir, 'secret')).mode & 0o777, 0o600)
    const made = readFileSync(join(dataDir, 'secret'), 'utf8')

    await gateway.restart()
    await eventually('the process gets there', async () => gateway.output.length >= 3)
    t.notMatch(gateway.output.join('\n'), /password/)
    t.equal((await signIn(gateway, password)).status, 200, 'the user is still there')
    t.equal(readFileSync(join(dataDir, 'secret'), 'utf8'), made, 'and so is the secret')
    t.equal(await gateway.stop(), 0)
  },
)

t.test('a first start that cannot listen leaves no admin whose password nobody was told', async (t) => {
  const dataDir = temporaryFolder(t)
  const other = await slowUpstream(t)
  t.match(await refused(t, { CARDEA_DATA_DIR: dataDir, PORT: new URL(other.url).port }), { code: 1 })
  const gateway = await started(t, { CARDEA_DATA_DIR: dataDir })
  await eventually('the process gets there', async () => gateway.output.length >= 3)
  const made = /first admin: admin, password: (\S+)/.exec(gateway.output.join('\n'))?.[1] ?? ''
  t.equal((await signIn(gateway, made)).status, 200)
})

t.test('in production everything on standard output is a JSON object, and no password is in it', async (t) => {
  // No config file is named: the gateway looks for one where it was started, and says that there is none.
  const issuer = 'https://login.example.com'
  const env = {
    NODE_ENV: 'production',
    CARDEA_SECRET: secret,
    CARDEA_ISSUER: issuer,
    CARDEA_HOSTS: '127.0.0.1',
    CARDEA_TRUSTED_PROXIES: 'none',
    CARDEA_CONFIG: '',
  }
  const gateway = await started(t, { ...env, CARDEA_ADMIN_PASSWORD: 'a password of the first admin' })
  await eventually('the process gets there', async () => gateway.output.some((line) => line.includes('operators')))
  for (const line of gateway.output) t.type(JSON.parse(line), 'object')
  const output = gateway.output.join('\n')
  t.match(output, /nothing is forwarded/)
  t.match(output, /password from CARDEA_ADMIN_PASSWORD/)
  t.notMatch(output, /a password of the first admin/)
  t.notOk(output.includes(secret))
  t.equal((await signIn(gateway, 'a password of the first admin')).status, 200)
  t.equal((await fetch(`${gateway.url}/demo/hello`)).status, 404, 'there is no demo upstream')
  t.equal(await gateway.stop(), 0)

  const withoutAdmin = await started(t, env)
  await eventually('the process gets there', async () =>
    withoutAdmin.output.some((line) => line.includes('nobody can sign in')),
  )
  t.match(withoutAdmin.output.join('\n'), /users add admin --role admin/)
})

t.test('a start that cannot be says why in plain sentences and exits with 1', async (t) => {
  const config = await refused(t, { NODE_ENV: 'production', CARDEA_SECRET: 'short', PORT: 'abc' })
  t.equal(config.code, 1)
  t.match(config.stderr, /^The configuration has 4 mistakes:\n/)
  t.notMatch(config.stderr, /^ +at /m, 'no stack')

  const upstream = await slowUpstream(t)
  const taken = await refused(t, { PORT: new URL(upstream.url).port })
  t.match(taken, { code: 1, stderr: /^Cardea did not start: 127\.0\.0\.1:\d+ is in use; [^\n]*\n$/ })

  const sealed = temporaryFolder(t)
  const first = await started(t, { CARDEA_DATA_DIR: sealed, CARDEA_SECRET: secret })
  await first.stop()
  const stranger = await refused(t, { CARDEA_DATA_DIR: sealed, CARDEA_SECRET: [...secret].reverse().join('') })
  t.match(stranger, { code: 1, stderr: /^Cardea did not start: The store's .*CARDEA_SECRET: add the secret [^\n]*\n$/ })

  const elsewhere = await refused(t, { HOST: '192.0.2.1', PORT: String(await freePort()) })
  t.match(elsewhere, {
    code: 1,
    stderr: /^Cardea did not start: it cannot listen on 192\.0\.2\.1:\d+ \(EADDRNOTAVAIL\)[^\n]*\n$/,
  })

  const blocked = join(temporaryFolder(t), 'file')
  writeFileSync(blocked, '')
  const folderless = await refused(t, { CARDEA_DATA_DIR: join(blocked, 'data'), CARDEA_SECRET: secret })
  t.match(folderless, { code: 1, stderr: /CARDEA_DATA_DIR is .*cannot be made/ })
})

t.test('a Node that is too old is told so before any TypeScript is read', async (t) => {
  const pretend = 'Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})'
  const old = await refused(t, {}, ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`])
  t.match(old, { code: 1, stderr: /^Cardea needs Node 22\.18 or later, but .* is 20\.20\.2: [^\n]*\n$/ })
})

t.test('SIGTERM lets a request in flight finish, takes no new connection, and ends with 0', async (t) => {
  const upstream = await slowUpstream(t)
  const gateway = await startedBefore(t, upstream.url)
  const received = fetch(`${gateway.url}/slow/one`)
  const response = await upstream.held
  gateway.kill('SIGTERM')
  // Ctrl+C under npm sends its signal twice at once.
  gateway.kill('SIGTERM')
  await eventually('the process gets there', () => isRefused(gateway.url))
  response.end('finished')
  t.equal(await (await received).text(), 'finished')
  t.equal(await gateway.stop(), 0)
})

async function isRefused(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  const socket = createConnection({ host: hostname, port: Number(port) })
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(Boolean(socket.destroy()) && false))
    socket.once('error', () => resolve(true))
  })
}

t.test('after the stop delay, and at a second signal, the process ends at once with 1', async (t) => {
  const late = await slowUpstream(t)
  const impatient = await startedBefore(t, late.url, { CARDEA_SHUTDOWN_TIMEOUT: '100ms' })
  const cut = fetch(`${impatient.url}/slow/one`).catch(() => 'cut')
  await late.held
  t.equal(await impatient.stop(), 1)
  t.equal(await cut, 'cut')

  const stuck = await slowUpstream(t)
  const gateway = await startedBefore(t, stuck.url)
  const cutToo = fetch(`${gateway.url}/slow/one`).catch(() => 'cut')
  await stuck.held
  let isCut = false
  cutToo.finally(() => {
    isCut = true
  })
  // A person who is asked to wait presses again.
  await eventually('the process gets there', async () => {
    gateway.kill('SIGINT')
    return isCut
  })
  t.equal(await gateway.stop(), 1)
  t.match(gateway.output.join('\n'), /second signal/)
})

t.test('an error that nothing caught is logged, requests in flight finish, and the process ends with 1', async (t) => {
  const upstream = await slowUpstream(t)
  const fault = 'process.once("SIGWINCH",()=>{throw new Error("a fault of ours")})'
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(fault)}`
  const gateway = await startedBefore(t, upstream.url, { NODE_OPTIONS })
  const received = fetch(`${gateway.url}/slow/one`)
  const response = await upstream.held
  gateway.kill('SIGWINCH')
  await eventually('the process gets there', () => isRefused(gateway.url))
  response.end('finished')
  t.equal(await (await received).text(), 'finished')
  await eventually('the process gets there', async () => (await gateway.stop()) !== null)
  t.equal(await gateway.stop(), 1)
  t.match(gateway.output.join('\n'), /"level":60.*a fault of ours/)
})
