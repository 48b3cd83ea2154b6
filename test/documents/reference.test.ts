// docs/reference.md is held to the code, both ways: every row is what the code has, and everything the code has is a row.
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { reasons, reasonTable } from '../../plugins/audit/reasons/index.ts'
import { parseDurationMs } from '../../plugins/clocks/durations.ts'
import { errorTable } from '../../plugins/errors/table.ts'
import { compileRoutes } from '../../plugins/forward/route/compile.ts'
import { openEmbeddedStore } from '../../plugins/session-store/embedded/index.ts'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/index.ts'
import { configFileSetting, settings } from '../../src/config/settings/index.ts'
import { codeText, sectionOf, tableRows } from './page.ts'
import { routeOptionDefaults, routeOptionRows } from './route-options.ts'

const root = new URL('../..', import.meta.url)
const page = readFileSync(new URL('docs/reference.md', root), 'utf8')
const rows = (heading: string) => tableRows(sectionOf(page, heading))

async function startApp(t: Test, docs = true) {
  const config = loadConfig({ env: {}, directory: tmpdir() })
  const secrets = ['a secret for tests that is long enough to be one']
  const store = openEmbeddedStore({ file: ':memory:' })
  const app = await buildApp({ ...config, secrets, logLevel: 'silent', docs }, { store })
  t.teardown(() => app.close())
  await app.ready()
  return app
}

t.test('the table of routes is the routes, all of them and no other', async (t) => {
  const app = await startApp(t)
  // Boundary: the document as it is published, of which only the summaries are read.
  const paths = (app.swagger().paths ?? {}) as Record<string, Record<string, { summary?: string }>>
  const declared = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(
      ([method, { summary = '' }]) => `\`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}\` ${summary}`,
    ),
  )
  const claimed = rows('HTTP routes').filter(([route]) => !route?.startsWith('`*'))
  t.strictSame(claimed.map(([route, what]) => `${route} ${what}`).sort(), declared.sort())
})

t.test('the table of settings is the settings', async (t) => {
  const known = Object.values(settings).map(({ name, key, otherwise, meaning }) => [
    codeText(name),
    codeText(key),
    otherwise,
    meaning,
  ])
  const claimed = rows('Settings').filter(
    ([name]) => name !== '`NODE_ENV`' && name !== codeText(configFileSetting.name),
  )
  t.strictSame(claimed, known)
})

t.test('the table of options of a route is its schema', async (t) => {
  const lines = sectionOf(page, 'Options of a route').split('\n')
  t.strictSame(
    lines.filter((line) => /^\| (\*\*)?`/.test(line)),
    routeOptionRows(),
  )
})

t.test('the defaults that the schema of a route tells are those that hold', async (t) => {
  const written = { health: { path: '/' }, ejection: {}, assertion: { audience: 'a' }, openapi: { document: 'a.yaml' } }
  const [route] = compileRoutes([{ prefix: '/a', upstream: 'http://127.0.0.1:1', ...written }])
  t.ok(route)
  const held = new Map<string, unknown>(Object.entries(route ?? {}))
  held.set('policy', route?.policies.GET)
  held.set('accessCookie', route?.credential.accessCookie)
  held.set('onExpiry', route?.cutsAtExpiry ? 'cut' : 'keep')
  for (const group of ['health', 'ejection', 'assertion', 'openapi'] as const) {
    for (const [key, value] of Object.entries(route?.[group] ?? {})) held.set(`${group}.${key}`, value)
  }
  const defaults = routeOptionDefaults()
  t.ok(defaults.size > 20)
  for (const [name, standard] of defaults) {
    const member = name.replace(/^timeouts\./, '')
    const ms = typeof standard === 'string' ? parseDurationMs(standard) : undefined
    if (ms === undefined) t.equal(held.get(member), standard, name)
    else t.equal(held.get(`${member}Ms`) ?? Number(held.get(`${member}Seconds`)) * 1000, ms, name)
  }
})

t.test('the table of errors is the error table', async (t) => {
  const known = Object.entries(errorTable).map(([name, { status, title }]) => [codeText(name), String(status), title])
  t.strictSame(rows('Errors'), known)
})

t.test('the table of reasons is the closed list', async (t) => {
  t.strictSame(
    rows('Reasons'),
    reasons.map((name) => [codeText(name), reasonTable[name].meaning]),
  )
})

t.test('the table of metrics is what Prometheus reads of the gateway', async (t) => {
  const app = await startApp(t, false)
  const text = await app.metrics.text()
  const known = [...text.matchAll(/^# HELP (cardea_\w+) (.*)\n# TYPE \1 (\w+)/gm)].map(([, name, help, type]) => [
    codeText(name),
    type,
    help,
  ])
  t.strictSame(rows('Metrics'), known)
})

t.test('every command is a script of package.json, and every script that is for people is there', async (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  const claimed = rows('Commands').map(([command = '']) => /^`npm (?:run )?([\w:-]+)/.exec(command)?.[1] ?? '')
  // The parts of `npm run check` and what npm itself calls are not for people.
  const isForPeople = (script: string) => !/^check:|^(pre|post)/.test(script)
  const known = Object.keys(scripts).filter(isForPeople)
  t.strictSame(claimed.sort(), known.sort())
})
