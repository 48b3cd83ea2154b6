// Holds the project to its style where a machine can: every offence is printed as `file:line: rule`. The second half shows
// on a small project that each rule can fail. Rules of the formatter and of the type checker are theirs.
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { anchorsOf } from '../documents/page.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { findLayoutOffences, layoutRules } from './layout.ts'
import { pointersOf, sourcesNamedIn } from './pointers.ts'
import { findOffences, rules } from './rules.ts'
import { listFiles, readSources } from './source.ts'

const root = new URL('../..', import.meta.url).pathname

t.test('every source keeps every rule', async (t) => {
  const sources = readSources(root)
  t.ok(sources.length > 50, 'the sources were found')
  for (const source of sources) {
    const offences = findOffences(source)
    for (const offence of offences) t.fail(offence)
    if (offences.length === 0) t.pass(source.path)
  }
})

t.test('the whole keeps the rules of layout', async (t) => {
  for (const offence of findLayoutOffences(listFiles(root), readSources(root))) t.fail(offence)
})

t.test('each rule of layout fails where it is broken', async (t) => {
  const files: Record<string, string> = {
    ...Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`src/many/${'abcdefghijklmnop'[i]}.ts`, ''])),
    'src/store/redis.ts': '',
    'src/store/redis-users.ts': '',
    'src/store/redis-keys.ts': '',
    'src/round/a.ts': "import type { B } from './b.ts'\nexport interface A { b: B }\n",
    'src/round/b.ts': "import {\n  type A,\n} from './a.ts'\nexport interface B { a: A }\n",
    'plugins/one.ts': 'export type Place = string\n',
    'plugins/two.ts': 'export class Place {}\n',
  }
  const folder = temporaryFolder(t)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'tsconfig.json'), readFileSync(join(root, 'tsconfig.json')))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  t.strictSame(findLayoutOffences(Object.keys(files), readSources(folder)), [
    'src/many: a folder has at most 15 files',
    'src/store/redis-: three siblings with one prefix are a folder',
    'src/round/a.ts: no cycle of imports, of types neither',
    'plugins/two.ts Place: an exported type has a name of its own',
  ])
  t.equal(Object.keys(layoutRules).length, 4)
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

// This file shows lost pointers; documents that others wrote point to what is theirs.
const brokenOnPurpose = /(^|\/)package-lock|^test\/fixtures\/|^test\/tidy\/tidy\.test\.ts$/

/**
 * Pointers of a folder's files to documents that are not in it, or to headings that they do not have.
 * @returns `path:line: target`
 */
function lostPointers(folder: string): string[] {
  const isText = (path: string) => /\.(ts|js|lua|md|ya?ml|cfg|conf|css|html|json|sh)$/.test(path)
  const files = listFiles(folder).filter((path) => isText(path) && !brokenOnPurpose.test(path))
  return files.flatMap((path) =>
    pointersOf(readFileSync(join(folder, path), 'utf8'))
      .filter(({ target, isNowhere }) => isNowhere || !leadsSomewhere(folder, path, target))
      .map(({ line, target }) => `${path}:${line}: ${target}`),
  )
}

// From the top of the project, or, in a document and where both are neighbours, from the file itself.
function leadsSomewhere(folder: string, path: string, target: string): boolean {
  const [named = '', anchor] = target.split('#')
  const file = [join(folder, named), join(folder, dirname(path), named)].find(existsSync)
  if (file === undefined) return false
  return anchor === undefined || anchorsOf(readFileSync(file, 'utf8')).has(anchor)
}

t.test('no file points to a document that is not there', async (t) => {
  t.strictSame(lostPointers(root), [])
})

/**
 * Sources that comments of a folder's files name and that are not there. The end of a path is enough, and packages are no files.
 * @returns `path:line: target`
 */
function lostSources(folder: string): string[] {
  const files = listFiles(folder)
  const isThere = (target: string) =>
    files.some((file) => file === target || file.endsWith(`/${target}`)) ||
    existsSync(join(folder, 'node_modules', target))
  return files
    .filter((path) => /\.(ts|js|lua)$/.test(path) && !brokenOnPurpose.test(path))
    .flatMap((path) =>
      sourcesNamedIn(readFileSync(join(folder, path), 'utf8'))
        .filter(({ target }) => !isThere(target))
        .map(({ line, target }) => `${path}:${line}: ${target}`),
    )
}

t.test('no comment names a source that is not there', async (t) => {
  t.strictSame(lostSources(root), [])
})

t.test('a comment that names a source that is not there is found', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'lua/sessions'), { recursive: true })
  writeFileSync(join(folder, 'lua/sessions/end.lua'), '-- Ends; sessions/end.lua, end.lua and gone.lua.\n')
  writeFileSync(
    join(folder, 'a.ts'),
    "// See b.ts.\nimport './c.ts' // d.ts is gone\n/** ../a.ts */\nconst a = 'e.ts'\n",
  )
  t.strictSame(lostSources(folder), ['a.ts:1: b.ts', 'a.ts:2: d.ts', 'lua/sessions/end.lua:1: gone.lua'])
})

t.test('a pointer to a document that is not there is found', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'docs'))
  writeFileSync(join(folder, 'docs/a.md'), '# A\n\n## One thing\n')
  const words = ['design 2.1', 'requirement L-04', 'R-16', 'see issue 4']
  const lines = ['docs/a.md#one-thing', 'docs/a.md#another', 'docs/b.md', ...words, 'a design of 2 parts, ES-256']
  writeFileSync(join(folder, 'a.ts'), lines.map((line) => `// ${line}\n`).join(''))
  t.strictSame(lostPointers(folder), [
    'a.ts:2: docs/a.md#another',
    'a.ts:3: docs/b.md',
    'a.ts:4: design 2',
    'a.ts:5: requirement L-0',
    'a.ts:6: R-16',
    'a.ts:7: see issue 4',
  ])
})

t.test('no lock file names a place to download from, and each holds a hash of every package', async (t) => {
  const locks = listFiles(root).filter((path) => /(^|\/)package-lock\.json$/.test(path))
  t.ok(locks.length > 2)
  for (const file of locks) {
    const { packages }: { packages: Record<string, { resolved?: string; integrity?: string; inBundle?: boolean }> } =
      JSON.parse(readFileSync(join(root, file), 'utf8'))
    for (const [path, { resolved, integrity, inBundle }] of Object.entries(packages)) {
      if (resolved !== undefined) t.fail(`${file}: ${path}: resolved`)
      // A package inside another's archive is covered by the hash of that archive.
      if (path !== '' && !integrity && !inBundle) t.fail(`${file}: ${path}: no integrity`)
    }
    t.ok(Object.keys(packages).length > 10, file)
  }
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
    ['in a room only a plugin imports Fastify', 'plugins/a/b.ts', "// A.\nimport fp from 'fastify-plugin'\n", 2],
    ['an address is read by clients/address.ts and nowhere else', 'src/a.ts', '// A.\n\nuse(request.ip)\n', 3],
    ['an address is read by clients/address.ts and nowhere else', 'src/a.ts', '// A.\nconst { ip } = request\n', 2],
    [
      'an address is read by clients/address.ts and nowhere else',
      'src/a.ts',
      '// A.\nf(raw.socket.remoteAddress)\n',
      2,
    ],
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
    ['a name uses the words of docs/architecture.md', 'src/a.ts', '// A.\nconst tokenFamily = 1\n', 2],
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
