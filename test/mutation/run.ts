// `npm run mutation`: the mutation score of the modules that decide. Each mutant is a run of the module's own tests, which must
// fail; what survives is printed with its line, because it is a rule that no test holds. `-- rotation cookies` takes only those.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import { readSources, type Source } from '../tidy/source.ts'
import { type Mutant, mutantsOf } from './mutants.ts'

/** A module under mutation, by its name on the command line. */
interface Deciding {
  sources: readonly string[]
  tests: readonly string[]
}

interface Score {
  mutants: number
  found: number
}

const modules: Record<string, Deciding> = {
  rotation: {
    sources: ['plugins/session-store/rotation.ts'],
    tests: ['test/plugins/session-store/rotation.test.ts'],
  },
  'request-target': {
    sources: ['plugins/http-edge/request-target.ts'],
    tests: ['test/plugins/http-edge/request-target.test.ts'],
  },
  'request-headers': {
    sources: ['plugins/http-edge/request-headers.ts'],
    tests: ['test/plugins/http-edge/request-headers.test.ts'],
  },
  'response-parser': {
    sources: ['plugins/forward/client/response-parser.ts', 'plugins/forward/client/response-head.ts'],
    tests: ['test/plugins/forward/client/response-parser.test.ts'],
  },
  headers: {
    sources: ['forwarded', 'names', 'response-fields'].map((name) => `plugins/forward/headers/${name}.ts`),
    tests: ['headers/forwarded', 'headers/response-fields', 'response-caching', 'whole-origin'].map(
      (name) => `test/plugins/forward/${name}.test.ts`,
    ),
  },
  claims: {
    sources: ['plugins/access-tokens/claims.ts', 'plugins/access-tokens/token-shape.ts'],
    tests: ['test/attacks/tokens/token-claims.test.ts', 'test/plugins/access-tokens/token-shape.test.ts'],
  },
  origin: { sources: ['plugins/browser/origin.ts'], tests: ['test/plugins/browser/origin.test.ts'] },
  cookies: { sources: ['plugins/browser/cookies.ts'], tests: ['test/plugins/browser/cookies.test.ts'] },
  'retry-binding': {
    sources: ['plugins/session-store/retry-binding.ts'],
    tests: ['test/plugins/session-store/retry-binding.test.ts'],
  },
}

const root = new URL('../..', import.meta.url).pathname
const hook = new URL('load-mutant.ts', import.meta.url).href
/** A mutant that loops is found out by its time, ms. */
const maxRunMs = 120_000
/** What was measured last: a lower score is a failure. `--record` writes it; CONTRIBUTING.md shows it. */
const recordFile = new URL('scores.json', import.meta.url)
const isToRecord = process.argv.includes('--record')

process.exitCode = await main(process.argv.slice(2).filter((word) => word !== '--record'))

/** @returns 0 when every module is as good as recorded, 1 when one is not or cannot be measured, 2 for a wrong command line */
async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !Object.hasOwn(modules, name))
  if (unknown !== undefined) {
    console.error(`There is no module ${JSON.stringify(unknown)}; there are ${Object.keys(modules).join(', ')}.`)
    return 2
  }
  const sources = new Map(readSources(root).map((source) => [source.path, source]))
  const record: Record<string, Score> = JSON.parse(readFileSync(recordFile, 'utf8'))
  const lines: string[] = []
  let exitCode = 0
  for (const [name, module] of Object.entries(modules)) {
    if (names.length > 0 && !names.includes(name)) continue
    const score = await measure(name, module, sources)
    if (score === undefined) return 1
    lines.push(`| ${name} | ${score.mutants} | ${score.found} | ${percentOf(score)} % |`)
    const known = record[name]
    if (isToRecord) record[name] = score
    else if (known !== undefined && percentOf(score) < percentOf(known)) {
      console.error(`${name}: ${percentOf(score)} % are found by its tests; it was ${percentOf(known)} %`)
      exitCode = 1
    }
  }
  if (isToRecord) writeFileSync(recordFile, `${JSON.stringify(record, null, 2)}\n`)
  console.log(`\n| module | mutants | found by its tests | score |\n|---|---|---|---|\n${lines.join('\n')}`)
  return exitCode
}

async function measure(
  name: string,
  { sources, tests }: Deciding,
  known: ReadonlyMap<string, Source>,
): Promise<Score | undefined> {
  if (!(await passes(tests, undefined))) {
    console.error(`${name}: its tests fail without a mutant`)
    return undefined
  }
  const all = sources.flatMap((path) => {
    const source = known.get(path)
    return source ? mutantsOf(source).map((mutant) => ({ path, mutant })) : []
  })
  let found = 0
  const waiting = all.values()
  const worker = async () => {
    for (const { path, mutant } of waiting) {
      const isAlive = await passes(tests, { path, mutant })
      if (isAlive) console.log(`survived: ${path}:${mutant.line}: ${mutant.what}`)
      else found += 1
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return { mutants: all.length, found }
}

function percentOf({ mutants, found }: Score): number {
  return Math.floor((100 * found) / mutants)
}

async function passes(tests: readonly string[], one: { path: string; mutant: Mutant } | undefined): Promise<boolean> {
  for (const test of tests) if (!(await runs(test, one))) return false
  return true
}

function runs(test: string, one: { path: string; mutant: Mutant } | undefined): Promise<boolean> {
  const mutant = one && JSON.stringify({ url: pathToFileURL(`${root}${one.path}`).href, ...one.mutant })
  const env = { ...process.env, TAP_BAIL: '1', ...(mutant && { CARDEA_MUTANT: mutant }) }
  const hooks = mutant ? ['--import', hook] : []
  const child = spawn(process.execPath, [...hooks, test], { cwd: root, env, stdio: 'ignore', timeout: maxRunMs })
  return new Promise((resolve) => {
    child.on('exit', (code) => resolve(code === 0))
    child.on('error', () => resolve(false))
  })
}
