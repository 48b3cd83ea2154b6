// What README claims is held to the code, both ways: its tables, its examples, and its transcript, run as pasted.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { errorTable } from '../plugins/error-table.ts'
import { openEmbeddedStore } from '../plugins/session-store/embedded.ts'
import { aclRule } from '../plugins/session-store/redis-checks.ts'
import { reasonTable } from '../plugins/usage.ts'
import { buildApp } from '../src/app.ts'
import { configFileKnob, knobs } from '../src/config/knobs.ts'
import { loadConfig } from '../src/config.ts'
import { GatewayProcess } from './gateway-process.ts'
import { processEnvironment } from './process-environment.ts'
import { temporaryFolder } from './temporary-folder.ts'

const root = new URL('..', import.meta.url)
const readme = await readFile(new URL('README.md', root), 'utf8')

// The text under a heading, up to the next one.
function section(heading: string): string {
  const [, after] = readme.split(`\n## ${heading}\n`)
  if (after === undefined) throw new Error(`README has no section "${heading}"`)
  return after.split('\n## ', 1)[0] ?? ''
}

// The cells of the rows of a section's tables, without head and rule.
function rows(heading: string): string[][] {
  const lines = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  return lines.map((line) =>
    line
      .slice(2, -2)
      .split(/ \| ?/)
      .map((cell) => cell.trim()),
  )
}

const code = (text: string | undefined) => (text ? `\`${text}\`` : '')

function codeBlock(heading: string, language: string): string {
  const [, block] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section(heading)) ?? []
  if (block === undefined) throw new Error(`README has no ${language} block under "${heading}"`)
  return block
}

t.test('the table of routes is the routes, all of them and no other', async (t) => {
  const config = loadConfig({ env: {}, directory: tmpdir() })
  const secrets = ['a secret for tests that is long enough to be one']
  const store = openEmbeddedStore({ file: ':memory:' })
  const app = await buildApp({ ...config, secrets, logLevel: 'silent', docs: true }, { store })
  t.teardown(() => app.close())
  await app.ready()
  const declared: string[] = []
  for (const [path, operations] of Object.entries(app.swagger().paths ?? {})) {
    for (const method of Object.keys(operations ?? {})) {
      declared.push(`\`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}\``)
    }
  }
  const claimed = rows('What it answers').map(([route]) => route)
  t.strictSame(claimed.filter((route) => !route?.startsWith('`*')).sort(), declared.sort())
})

t.test('the table of knobs is the knobs', async (t) => {
  const known = Object.values(knobs).map(({ name, key, otherwise, meaning }) => [
    code(name),
    code(key),
    otherwise,
    meaning,
  ])
  const claimed = rows('Knobs').filter(([name]) => name !== '`NODE_ENV`' && name !== code(configFileKnob.name))
  t.strictSame(claimed, known)
})

t.test('the table of errors is the error table', async (t) => {
  const known = Object.entries(errorTable).map(([name, { status, title }]) => [code(name), String(status), title])
  t.strictSame(rows('Errors'), known)
})

t.test('the table of reasons is the closed list', async (t) => {
  t.strictSame(
    rows('Reasons'),
    Object.entries(reasonTable).map(([name, meaning]) => [code(name), meaning]),
  )
})

t.test('the rule for the gateway’s Redis user is the one the contract is run with', async (t) => {
  t.ok(section('More than one').includes(`\nuser cardea on >PASSWORD ${aclRule}\n`))
})

t.test('every command is a script of package.json', async (t) => {
  const { scripts } = JSON.parse(await readFile(new URL('package.json', root), 'utf8'))
  for (const [command = ''] of rows('Commands')) {
    const [, script = ''] = /^`npm (?:run )?(\w+)/.exec(command) ?? []
    t.type(scripts[script], 'string', command)
  }
})

t.test('the example of a config file is a config file', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.yaml')
  await writeFile(file, codeBlock('Services behind it', 'yaml'))
  const config = loadConfig({ env: { CARDEA_CONFIG: file }, directory: folder })
  t.match(config.routes, [{ prefix: '/orders', policy: 'authenticated', methods: { DELETE: { roles: ['admin'] } } }])
})

t.test('the transcript works as pasted', async (t) => {
  const folder = temporaryFolder(t)
  const env = { CARDEA_DATA_DIR: join(folder, 'data') }
  const gateway = await GatewayProcess.start(env)
  t.teardown(() => gateway.stop())
  const script = codeBlock('Try it', 'sh')
    .replace('http://127.0.0.1:3000', gateway.url)
    .replaceAll('cookies.txt', join(folder, 'cookies.txt'))
  // Without --norc, a bash whose input is a socket takes itself for a remote shell and reads this machine's settings.
  const { stdout, stderr } = await promisify(execFile)('bash', ['--norc', '-euc', script], {
    cwd: root.pathname,
    // npm's own settings of this machine as well: they decide what it says on standard error.
    env: { ...process.env, ...processEnvironment(env) },
  })
  t.equal(stderr, '')
  t.match(stdout, /"x-auth-subject": "alice"/)
  t.match(stdout, /"path": "\/demo\/hello"/)
  t.notMatch(stdout, /__Host-cardea_refresh/)
  const answers = stdout.trim().split('\n').slice(-2)
  t.equal(answers[0], '204')
  t.match(answers[1], /"code":"invalid_token"/)
})
