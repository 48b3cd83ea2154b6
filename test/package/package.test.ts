// The package as a stranger gets it: packed, installed into an empty folder from the registry's packages, type-checked by its
// types, and run by plain Node, as an app of somebody else's and as the command `cardea`. It is really installed: with this
// project's node_modules linked, a package that is missing among the dependencies would not be missed.
import { execFile, spawn } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { npmEnvironment, processEnvironment } from '../support/processes/process-environment.ts'
import { sharedRedis } from '../support/redis/server.ts'
import { keepsItsPromises, shelfExamples } from '../support/shelf-examples.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
// Without what tap tells the processes of a test to load: a stranger's Node loads nothing.
const run = (program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = processEnvironment()) =>
  promisify(execFile)('env', ['-u', 'NODE_OPTIONS', program, ...args], { cwd, env })
const npm = (args: string[], cwd: string) => run('npm', args, cwd, npmEnvironment())
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
t.setTimeout(280_000)

const folder = temporaryFolder(t)
await npm(['pack', '--silent', '--pack-destination', folder], root)
writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
const types = `@types/node@${manifest.devDependencies['@types/node']}`
const flags = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund']
await npm(['install', ...flags, `./cardea-${manifest.version}.tgz`, types], folder)
cpSync(join(root, 'test/package/app/app.ts'), join(folder, 'app.ts'))
const secret = { APP_SECRET: 'a secret for tests that is long enough to be one' }
const examples = Object.entries({ 'whole.ts': shelfExamples()[0], 'each.ts': shelfExamples()[1] })
for (const [file, { program }] of examples) writeFileSync(join(folder, file), program)

/** Starts a program of the folder and gives the first address that it prints. */
async function startInFolder(t: Test, args: string[], env: Record<string, string>): Promise<string> {
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], {
    cwd: folder,
    env: processEnvironment(env),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill())
  for await (const line of createInterface(child.stdout)) {
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? []
    if (url !== undefined) return url
  }
  throw new Error(`${args.join(' ')} ended without an address`)
}

async function livesThroughASession(t: Test, store: string): Promise<void> {
  const url = await startInFolder(t, ['app.ts', store], secret)
  const post = (path: string, body: object, headers: object = {}) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const ask = (path: string, token = '') => fetch(url + path, { headers: { authorization: `Bearer ${token}` } })
  const login = { username: 'alice', password: 'sheep under 7 blue lanterns', delivery: 'body' }
  t.equal((await post('/auth/login', { ...login, password: 'wrong' })).status, 401)
  const signedIn = await (await post('/auth/login', login)).json()
  const refresh = { grant_type: 'refresh_token', refresh_token: signedIn.refresh_token }
  const refreshed = await (await post('/auth/token', refresh)).json()
  t.not(refreshed.refresh_token, signedIn.refresh_token)
  t.strictSame(await (await ask('/orders', refreshed.access_token)).json(), { orders: [], of: 'alice' })
  t.equal((await ask('/orders')).status, 401)
  t.equal((await ask('/reports', refreshed.access_token)).status, 403)
  t.equal((await post('/auth/logout', { refresh_token: refreshed.refresh_token })).status, 204)
  t.equal((await ask('/orders', refreshed.access_token)).status, 401)
}

t.test('an app of somebody else’s is right by the types that come along, and they are right themselves', async (t) => {
  const compilerOptions = { module: 'nodenext', target: 'es2024', types: ['node'], strict: true, skipLibCheck: false }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['app.ts', 'whole.ts', 'each.ts'] }),
  )
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), ['--noEmit', '-p', folder], folder).catch(
    (error) => error,
  )
  t.equal(stdout, '')
})

t.test('the examples of plugins/README.md do what their comments say, as a stranger copies them', async (t) => {
  for (const [file, { promises }] of examples)
    await keepsItsPromises(t, await startInFolder(t, [file], secret), promises)
})

t.test('it lives through a session on the embedded store', (t) => livesThroughASession(t, join(folder, 'app.db')))

t.test('it lives through a session on Redis', async (t) => livesThroughASession(t, await sharedRedis(t)))

t.test('`cardea start` is the gateway, with its page, and `cardea` the command line', async (t) => {
  const cardea = join(folder, 'node_modules/.bin/cardea')
  t.ok(existsSync(cardea))
  const url = await startInFolder(t, [cardea, 'start'], { PORT: '0', CARDEA_DATA_DIR: join(folder, 'data') })
  t.equal((await fetch(`${url}/readyz`)).status, 200)
  t.match(await (await fetch(`${url}/ops/`)).text(), /<html/)
  const ofFolder = processEnvironment({ CARDEA_DATA_DIR: join(folder, 'data') })
  const { stdout } = await run(process.execPath, [cardea, 'users', 'list'], folder, ofFolder)
  t.match(stdout, /admin/)
})

t.test(
  'tracing without its packages, which are optional, is one sentence with the command that brings them',
  async (t) => {
    const env = processEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', PORT: '0' })
    const started = run(process.execPath, [join(folder, 'node_modules/.bin/cardea'), 'start'], temporaryFolder(t), env)
    const { code, stderr } = await started.catch((error) => error)
    t.equal(code, 1)
    t.match(
      stderr,
      /^Cardea did not start: tracing is asked for \(OTEL_EXPORTER_OTLP_ENDPOINT\), but @opentelemetry\/\S+ is not installed/,
    )
    t.match(
      stderr,
      /`npm install @opentelemetry\/api@\^[\d.]+ .*@opentelemetry\/sdk-trace-node@\^[\d.]+`, or set OTEL_SDK_DISABLED=true\n$/,
    )
  },
)

t.test('what it says to people are commands of the package, and `start` is one of them', async (t) => {
  const { stdout } = await run(process.execPath, [join(folder, 'node_modules/.bin/cardea'), '--help'], folder)
  t.match(stdout, /^npx cardea start runs the gateway; npx cardea <command>:\n {2}users add/)
  const dist = join(folder, 'node_modules/cardea/dist')
  const both = ['src/process/commands.js', 'src/process/node-version.js']
  const saying = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.js') && /^(?!\s*\/\/).*npm (run|ci|start)/m.test(readFileSync(join(dist, path), 'utf8')),
  )
  t.strictSame(saying.sort(), both)
  const banner = `import { cardeaCommand } from '${pathToFileURL(join(dist, both[0] ?? ''))}'; console.log(cardeaCommand)`
  const told = await run(process.execPath, ['--input-type=module', '-e', banner], folder)
  t.equal(told.stdout, 'npx cardea\n')
})

t.test('each plugin of the shelf can be imported by its name, and nothing else can', async (t) => {
  const rows = readFileSync(join(root, 'plugins/README.md'), 'utf8').matchAll(
    /^\| `([a-z-]+)` \| `\S+\.?t?s?` \|.*\|.*\|.*\|$/gm,
  )
  const names = [...rows].map(([, name]) => (name === 'cardea' ? '.' : `./${name}`))
  t.strictSame(Object.keys(manifest.exports).sort(), [...names, './package.json'].sort())
  const program = Object.keys(manifest.exports)
    .filter((name) => name !== './package.json')
    .map((name) => `(await import('cardea${name.slice(1)}')).default[Symbol.for('plugin-meta')].name`)
  const { stdout } = await run(
    process.execPath,
    ['--input-type=module', '-e', `console.log([${program}].join())`],
    folder,
  )
  t.strictSame(stdout.trim().split(',').sort(), names.map((name) => (name === '.' ? 'cardea' : name.slice(2))).sort())
})
