// plugins/README.md is held to the code: every plugin has its options and an example, and the examples run as they stand.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { processEnvironment } from '../support/processes/process-environment.ts'
import { keepsItsPromises, type ShelfExample, shelfExamples } from '../support/shelf-examples.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { optionRows } from './plugin-options.ts'

const root = new URL('../..', import.meta.url)
const page = readFileSync(new URL('plugins/README.md', root), 'utf8')
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
const plugins = Object.keys(manifest.exports)
  .filter((name) => name !== './package.json')
  .map((name) => (name === '.' ? 'cardea' : name.slice(2)))

t.setTimeout(120_000)

const withoutOptions = new Set(['errors', 'json-body', 'authenticate', 'form-body'])

t.test('every plugin has its options, all of them and no other, and an example that registers it', async (t) => {
  t.ok(plugins.length > 20)
  const [, { program }] = shelfExamples()
  for (const plugin of plugins) {
    const [, after = ''] = page.split(`\n### \`${plugin}\`\n`)
    const [section = ''] = after.split('\n### ', 1)
    const rows = section.split('\n').filter((line) => /^\| (\*\*)?`/.test(line))
    t.strictSame(rows, optionRows(plugin), plugin)
    t.equal(rows.length === 0, withoutOptions.has(plugin), plugin)
    if (plugin === 'cardea') continue
    const [, name = 'none'] = new RegExp(`import (\\w+).* from 'cardea/${plugin}'`).exec(program) ?? []
    t.ok(section.includes(`.register(${name}`), `${plugin}: its section registers it`)
  }
})

const [whole, each] = shelfExamples()

t.test('the example of the whole does what its comments say', (t) => runs(t, whole, 2))

t.test('the examples of the plugins do what their comments say', (t) => runs(t, each, 20))

async function runs(t: Test, { program, promises }: ShelfExample, atLeast: number): Promise<void> {
  t.ok(promises.length >= atLeast, 'its comments are read')
  const file = join(temporaryFolder(t), 'example.ts')
  writeFileSync(file, fromSources(program))
  await keepsItsPromises(t, await start(t, file), promises)
}

/** With the names of the package put in the place of its built files' sources. */
function fromSources(program: string): string {
  const sources = Object.entries<{ default?: string }>(manifest.exports).map(([name, { default: built = '' }]) => {
    const source = new URL(built.replace('./dist/', './').replace(/\.js$/, '.ts'), root)
    return [`'cardea${name.slice(1)}'`, `'${source}'`] as const
  })
  const all = [...sources, ["'fastify'", `'${import.meta.resolve('fastify')}'`] as const]
  return all.reduce((text, [name, source]) => text.replaceAll(`from ${name}`, `from ${source}`), program)
}

async function start(t: Test, file: string): Promise<string> {
  const env = processEnvironment({ APP_SECRET: 'a secret for tests that is long enough to be one' })
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('http://')) return line
  }
  throw new Error('the example ended without an address')
}
