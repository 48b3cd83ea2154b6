// Holds the project to its style where a machine can: every offence is printed as `file:line: rule`. The second half shows
// on a small project that each rule can fail. Rules of the formatter and of the type checker are theirs.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryFolder } from './temporary-folder.ts'
import { findOffences, rules } from './tidy/rules.ts'
import { listFiles, readSources } from './tidy/source.ts'

const root = new URL('..', import.meta.url).pathname

t.test('every source keeps every rule', async (t) => {
  const sources = readSources(root)
  t.ok(sources.length > 50, 'the sources were found')
  for (const source of sources) {
    const offences = findOffences(source)
    for (const offence of offences) t.fail(offence)
    if (offences.length === 0) t.pass(source.path)
  }
})

// Written in pieces, so that this file does not offend itself.
const machinePath = new RegExp(String.raw`(?<![\w.~-])/(${['work', 'home', 'tmp', 'root', 'Users'].join('|')})/`)
const registryHost = new RegExp(['registry', String.raw`[\w-]+\.[a-z]{2,}`].join(String.raw`\.`))

t.test('no file names a path of a machine or a package registry', async (t) => {
  for (const path of listFiles(root)) {
    for (const [at, line] of readFileSync(join(root, path), 'utf8').split('\n').entries()) {
      if (machinePath.test(line)) t.fail(`${path}:${at + 1}: no path of a machine`)
      if (registryHost.test(line)) t.fail(`${path}:${at + 1}: no registry host`)
    }
  }
})

t.test('the lock file names no place to download from, and holds a hash of every package', async (t) => {
  const lock: { packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }> } = JSON.parse(
    readFileSync(join(root, 'package-lock.json'), 'utf8'),
  )
  for (const [path, { resolved, integrity }] of Object.entries(lock.packages)) {
    if (resolved !== undefined) t.fail(`package-lock.json: ${path}: resolved`)
    // A package inside another's archive is covered by the hash of that archive.
    const isBundled = /"inBundle": true/.test(JSON.stringify(lock.packages[path], null, 1))
    if (path !== '' && !integrity && !isBundled) t.fail(`package-lock.json: ${path}: no integrity`)
  }
  t.ok(Object.keys(lock.packages).length > 100)
})

/** A small project with one file; its offences without the file's name. */
function offencesOf(t: Test, path: string, text: string): string[] {
  const folder = temporaryFolder(t)
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'tsconfig.json'), readFileSync(join(root, 'tsconfig.json')))
  writeFileSync(join(folder, path), text)
  return readSources(folder).flatMap((source) =>
    findOffences(source).map((offence) => offence.slice(source.path.length + 1)),
  )
}

const long = (lines: number) => 'const a = 1\n'.repeat(lines)

t.test('each rule fails where it is broken, at the right line', async (t) => {
  const broken: [rule: string, path: string, text: string, line: number][] = [
    ['a file has at most 300 lines, a test 400', 'src/a.ts', `// A.\n${long(300)}`, 301],
    ['a function has at most 60 lines', 'src/a.ts', `// A.\nconst f = () => {\n${long(59)}}\n`, 2],
    ['a file opens with a comment that says what it is', 'src/a.ts', 'const a = 1 // a\n', 1],
    ['a file is named after a noun, in kebab-case', 'src/utils.ts', '// A.\n', 1],
    ['a file is named after a noun, in kebab-case', 'src/helpers/a.ts', '// A.\n', 1],
    ['a file is named after a noun, in kebab-case', 'src/someThing.ts', '// A.\n', 1],
    ['no any', 'src/a.ts', '// A.\nlet a: any\n', 2],
    ['no non-null assertion', 'src/a.ts', '// A.\nlet a: string | undefined\na!.length\n', 3],
    ['an `as` has a comment beside or above it', 'src/a.ts', '// A.\n\nconst a = JSON.parse("1") as number\n', 3],
    ['an exported function has a JSDoc comment', 'src/a.ts', '// A.\nexport function a() {}\n', 2],
    ['plugins never import src', 'plugins/a.ts', "// A.\nimport { b } from '../src/b.ts'\n", 2],
    ['in a room only index.ts imports Fastify', 'plugins/a/b.ts', "// A.\nimport fp from 'fastify-plugin'\n", 2],
    ['an address is read by client-address.ts and nowhere else', 'src/a.ts', '// A.\n\nuse(request.ip)\n', 3],
    ['an address is read by client-address.ts and nowhere else', 'src/a.ts', '// A.\nconst { ip } = request\n', 2],
    ['an address is read by client-address.ts and nowhere else', 'src/a.ts', '// A.\nf(raw.socket.remoteAddress)\n', 2],
    [
      'a plugin is exported by fp with its name and Fastify version',
      'plugins/a.ts',
      '// A.\nexport default () => {}\n',
      2,
    ],
    ['a test does not sleep', 'test/a.test.ts', '// A.\nsetTimeout(() => {}, 1)\n', 2],
    ['a test does not sleep', 'test/a.test.ts', "// A.\nimport { setTimeout } from 'node:timers/promises'\n", 2],
    ['a test is not skipped, left to do, or the only one', 'test/a.test.ts', '// A.\nt.skip()\n', 2],
    ['a test is not skipped, left to do, or the only one', 'test/a.test.ts', '// A.\nt.test("a", { todo: true })\n', 2],
    ['a name says what the design calls it', 'src/a.ts', '// A.\nconst tokenFamily = 1\n', 2],
  ]
  for (const [rule, path, text, line] of broken) t.strictSame(offencesOf(t, path, text), [`${line}: ${rule}`], rule)
  t.strictSame(new Set(broken.map(([rule]) => rule)), new Set(Object.keys(rules)), 'every rule is shown')
})

t.test('what is allowed is not an offence', async (t) => {
  const room = `// A room.
import type { FastifyInstance } from 'fastify'
import { type FastifyReply, type FastifyRequest } from 'fastify'
import { a as b } from './b.ts'

const words = ['a'] as const
const table = { a: 1 } satisfies Record<string, number>
// The parser has just checked this.
const parsed = JSON.parse('1') as number

/** Says its name. */
export function any(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): unknown[] {
  return [app, request, reply, b, words, table, parsed]
}
`
  t.strictSame(offencesOf(t, 'plugins/a/b.ts', room), [])
  t.strictSame(offencesOf(t, 'plugins/a.ts', "// A.\nexport default fp(a, { name: 'a', fastify: '5.x' })\n"), [])
  t.match('see /' + 'home/somebody', machinePath)
  t.notMatch('/orders/home/x and ../work/', machinePath)
})
