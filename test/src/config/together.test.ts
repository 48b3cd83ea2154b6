// Settings that are checked together: whatever `config check` takes, a start must be able to serve by. Each setting at both ends of what
// it takes, alone and beside the others of its kind; and files that are no files.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { devNull } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { readBoundedFile } from '../../../plugins/files/bounded-file.ts'
import { readDocument } from '../../../plugins/forward/openapi/document/source.ts'
import { documentLimits } from '../../../plugins/forward/openapi/index.ts'
import { serverOptions } from '../../../plugins/http-edge/index.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import { buildApp } from '../../../src/app.ts'
import { ConfigError, type Environment, loadConfig } from '../../../src/config/index.ts'
import { settings } from '../../../src/config/settings/index.ts'
import type { Setting } from '../../../src/config/settings/setting.ts'
import { withSecret } from '../../../src/process/first-start.ts'
import { AppServer } from '../../../src/process/http-server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const secret = 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc'
const base = { CARDEA_SECRET: secret, CARDEA_LOG_LEVEL: 'silent', PORT: '0' }
const allSettings: readonly Setting<unknown>[] = Object.values(settings)

/** The least and the most that a setting takes, as its own sentence says. */
function extremes({ kind }: Setting<unknown>): string[] {
  const [, least, most] = /from (\w+) to (\w+)/.exec(kind.wants) ?? []
  return least === undefined || most === undefined ? [] : [least, most]
}

function violationsOf(env: Environment, directory: string): string[] | undefined {
  try {
    loadConfig({ env: { ...base, ...env }, directory })
    return undefined
  } catch (error) {
    if (error instanceof ConfigError) return error.violations
    throw error
  }
}

async function serveBy(env: Environment, directory: string): Promise<void> {
  const config = loadConfig({ env: { ...base, ...env }, directory })
  new AppServer(config.limits).server.close()
  const app = await buildApp(config, { store: openEmbeddedStore({ file: ':memory:' }) })
  try {
    await app.ready()
  } finally {
    await app.close()
  }
}

t.test('all settings together, at either end of what they take, are what a start can serve by', async (t) => {
  const directory = temporaryFolder(t)
  for (const end of [0, 1]) {
    const env: Record<string, string> = {}
    for (const setting of allSettings) {
      const value = extremes(setting)[end]
      if (value === undefined || violationsOf({ ...env, [setting.name]: value }, directory) !== undefined) continue
      env[setting.name] = value
    }
    t.ok(Object.keys(env).length > 15, 'most of them go together')
    await t.resolves(serveBy(env, directory), JSON.stringify(env))
  }
})

t.test(
  'one limit or two at either end of what they take are refused by the config or taken by the server',
  async (t) => {
    const directory = temporaryFolder(t)
    const limits = allSettings.filter(({ key }) => key?.startsWith('limits.'))
    for (const [at, one] of limits.entries()) {
      for (const other of limits.slice(at)) {
        for (const value of extremes(one)) {
          for (const beside of extremes(other)) {
            const env = { [one.name]: value, [other.name]: beside }
            if (violationsOf(env, directory) !== undefined) continue
            const config = loadConfig({ env: { ...base, ...env }, directory })
            t.doesNotThrow(() => Fastify(serverOptions(config.limits)), JSON.stringify(env))
            t.doesNotThrow(() => new AppServer(config.limits), JSON.stringify(env))
          }
        }
      }
    }
  },
)

t.test(
  'CARDEA_REQUEST_TIMEOUT=3s alone shortens the time for header fields; two written ones are refused',
  async (t) => {
    const directory = temporaryFolder(t)
    const limitsOf = (env: Environment) => loadConfig({ env: { ...base, ...env }, directory }).limits
    t.match(limitsOf({ CARDEA_REQUEST_TIMEOUT: '3s' }), { requestTimeoutMs: 3000, headersTimeoutMs: 3000 })
    t.match(limitsOf({ CARDEA_HEADERS_TIMEOUT: '1m' }), { requestTimeoutMs: 60_000, headersTimeoutMs: 60_000 })
    t.match(limitsOf({ CARDEA_HEADERS_TIMEOUT: '3s' }), { requestTimeoutMs: 30_000, headersTimeoutMs: 3000 })
    t.strictSame(violationsOf({ CARDEA_REQUEST_TIMEOUT: '3s', CARDEA_HEADERS_TIMEOUT: '4s' }, directory), [
      'CARDEA_HEADERS_TIMEOUT is 4000ms, longer than the 3000ms of a whole request: shorten it, or lengthen CARDEA_REQUEST_TIMEOUT',
    ])
    t.strictSame(violationsOf({ PORT: '3000', CARDEA_METRICS: '127.0.0.1:3000' }, directory), [
      "CARDEA_METRICS is the gateway's own port 3000: write another one",
    ])
  },
)

function fifo(folder: string): string {
  const path = join(folder, 'fifo')
  execFileSync('mkfifo', [path])
  return path
}

async function socketIn(t: Test, folder: string): Promise<string> {
  const path = join(folder, 'socket')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => server.close())
  return path
}

t.test('a config path that is a FIFO, a device, a folder or too large is refused without being read', async (t) => {
  const folder = temporaryFolder(t)
  const large = join(folder, 'large.yaml')
  writeFileSync(large, '')
  truncateSync(large, 64 * 1024 ** 3)
  mkdirSync(join(folder, 'folder'))
  const cases = {
    [fifo(folder)]: 'fifo is a FIFO, not a file',
    '/dev/zero': 'zero is a device, not a file',
    [join(folder, 'folder')]: 'folder is a folder, not a file',
    [large]: 'large.yaml is larger than 1048576 bytes',
  }
  for (const [path, sentence] of Object.entries(cases)) {
    const violation = `${sentence}: make it a file that this user may read`
    t.strictSame(violationsOf({ CARDEA_CONFIG: path }, folder), [violation], path)
  }
  t.match(violationsOf({ CARDEA_CONFIG: await socketIn(t, folder) }, folder), [/^socket cannot be read/])
  t.equal(violationsOf({ CARDEA_CONFIG: devNull }, folder), undefined, 'no file, as people write it')
})

t.test('so are a CA file, a document and the development secret', async (t) => {
  const folder = temporaryFolder(t)
  const path = fifo(folder)
  const route = (more: string) => `routes: [{prefix: /a, upstream: 'https://a.test', policy: public, ${more}}]`
  for (const [caFile, sentence] of [
    [path, 'is a FIFO, not a file'],
    ['/dev/zero', 'is a device, not a file'],
  ]) {
    writeFileSync(join(folder, 'cardea.config.yaml'), route(`tls: {caFile: ${caFile}}`))
    t.match(violationsOf({}, folder)?.join(), `The file ${caFile} ${sentence}.`)
  }
  await t.rejects(readDocument(path, documentLimits), { message: `${path} is a FIFO, not a file.` })
  writeFileSync(join(folder, 'cardea.config.yaml'), '')
  const config = loadConfig({ env: { CARDEA_DATA_DIR: join(folder, 'data') }, directory: folder })
  mkdirSync(config.dataDir)
  execFileSync('mkfifo', [join(config.dataDir, 'secret')])
  t.throws(() => withSecret(config), { message: /secret cannot be used: is a FIFO, not a file/ })
})

t.test('a file is read to its end, also where its size is not told, and never beyond the limit', async (t) => {
  const path = join(temporaryFolder(t), 'file')
  writeFileSync(path, 'x'.repeat(10_000))
  t.equal(readBoundedFile(path, 10_000).toString(), 'x'.repeat(10_000))
  t.throws(() => readBoundedFile(path, 9_999), { message: 'is larger than 9999 bytes' })
  writeFileSync(path, '')
  t.equal(readBoundedFile(path, 10).length, 0)
  t.strictSame(readBoundedFile('/proc/self/cmdline', 65_536), readFileSync('/proc/self/cmdline'))
  t.throws(() => readBoundedFile('/proc/self/cmdline', 3), { message: 'is larger than 3 bytes' })
})
