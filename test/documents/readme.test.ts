// Tests of what README claims is held to the code: its length, its commands, its examples, and its transcript, run as pasted.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../src/config/index.ts'
import { GatewayProcess } from '../support/processes/gateway-process.ts'
import { processEnvironment } from '../support/processes/process-environment.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { blockOf, sectionOf } from './page.ts'

const root = new URL('../..', import.meta.url)
const readme = await readFile(new URL('README.md', root), 'utf8')

t.test('README is short, and its first two commands start the gateway and run all tests', async (t) => {
  t.ok(readme.split('\n').length - 1 <= 200, 'at most 200 lines')
  const commands = [...sectionOf(readme, 'Start it').matchAll(/npm ci && (npm \w+)/g)].map(([, command]) => command)
  t.strictSame(commands, ['npm start', 'npm test'])
})

t.test('the browser snippet imports what the token code exports', async (t) => {
  const snippet = blockOf(sectionOf(readme, 'Use it from a browser'), 'js')
  const [, names = ''] = /import \{ (.*?) \} from '\.\/token\.js'/.exec(snippet) ?? []
  const code = await readFile(new URL('docs/examples/token.js', root), 'utf8')
  for (const name of names.split(', ')) t.match(code, new RegExp(`^export (async )?function ${name}\\(`, 'm'), name)
})

t.test('the example of a config file is a config file', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.yaml')
  await writeFile(file, blockOf(sectionOf(readme, 'Put services behind it'), 'yaml'))
  const config = loadConfig({ env: { CARDEA_CONFIG: file }, directory: folder })
  t.match(config.routes, [{ prefix: '/orders', policy: 'authenticated', methods: { DELETE: { roles: ['admin'] } } }])
})

t.test('the transcript works as pasted', async (t) => {
  const folder = temporaryFolder(t)
  const env = { CARDEA_DATA_DIR: join(folder, 'data') }
  const gateway = await GatewayProcess.start(env)
  t.teardown(() => gateway.stop())
  const script = blockOf(sectionOf(readme, 'Try it'), 'sh')
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
  const responses = stdout.trim().split('\n').slice(-2)
  t.equal(responses[0], '204')
  t.match(responses[1], /"code":"invalid_token"/)
})
