// What the documents beside README claim is held to the code: the table of the shelf, and every file, knob, command, reason
// and code that they name.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { errorTable } from '../plugins/error-table.ts'
import { identityOf } from '../plugins/forward/index.ts'
import { reasonTable } from '../plugins/usage.ts'
import { configCommands } from '../src/cli/config-commands.ts'
import { keyCommands } from '../src/cli/key-commands.ts'
import { sessionCommands } from '../src/cli/session-commands.ts'
import { userCommands } from '../src/cli/user-commands.ts'
import { configFileKnob, knobs } from '../src/config/knobs.ts'

const root = new URL('..', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const documents = [
  'README.md',
  'plugins/README.md',
  ...readdirSync(new URL('docs/', root)).map((name) => `docs/${name}`),
]
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, text: read(path) }))

/** A plugin as its own code says it. */
interface Shelved {
  name: string
  file: string
  decorates: string[]
  dependsOn: string[]
  /** Every package that its files import. */
  imports: Set<string>
}

async function shelvedAt(entry: string): Promise<Shelved | undefined> {
  const isRoom = !entry.endsWith('.ts')
  const main = isRoom ? `plugins/${entry}/index.ts` : `plugins/${entry}`
  const exported: unknown = (await import(new URL(main, root).href)).default
  // What fastify-plugin leaves on a plugin, for Fastify to read.
  const meta = Object.getOwnPropertyDescriptor(exported ?? {}, Symbol.for('plugin-meta'))?.value
  if (meta === undefined) return undefined
  const files = isRoom
    ? readdirSync(new URL(`plugins/${entry}/`, root)).map((name) => `plugins/${entry}/${name}`)
    : [main]
  const sources = files.filter((path) => path.endsWith('.ts')).map(read)
  const found = (pattern: RegExp) => sources.flatMap((source) => [...source.matchAll(pattern)])
  return {
    name: meta.name,
    file: isRoom ? `${entry}/` : entry,
    decorates: found(/\.decorate(Request)?\(\s*'(\w+)'/g)
      .map(([, ofRequest, name]) => `${ofRequest ? 'request' : 'app'}.${name}`)
      .sort(),
    dependsOn: [...(meta.dependencies ?? [])].sort(),
    imports: new Set(found(/ from '([^.'][^']*)'/g).map(([, name = '']) => name)),
  }
}

const quoted = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)
const shelfRows = read('plugins/README.md')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split(' |').map((cell) => cell.replace(/^\|? /, '')))
const pluginRows = shelfRows.filter((cells) => cells.length > 3)
const entries = readdirSync(new URL('plugins/', root)).filter((name) => name !== 'README.md')
const shelf = await Promise.all(entries.map(shelvedAt))

t.test('the table of the shelf is the plugins: names, files, what they decorate, wrap and depend on', async (t) => {
  const plugins = new Map(shelf.flatMap((plugin) => (plugin ? [[plugin.name, plugin]] : [])))
  t.strictSame(pluginRows.map(([name]) => quoted(name)[0]).sort(), [...plugins.keys()].sort())
  for (const [name, file, wraps, decorates, dependsOn] of pluginRows) {
    const plugin = plugins.get(quoted(name)[0] ?? '')
    t.equal(quoted(file)[0], plugin?.file)
    const isDecorator = (text: string) => /^(app|request)\./.test(text)
    t.strictSame(quoted(decorates).filter(isDecorator).sort(), plugin?.decorates, `${name} decorates`)
    t.strictSame(quoted(dependsOn).sort(), plugin?.dependsOn, `${name} depends on`)
    for (const wrapped of quoted(wraps)) t.ok(plugin?.imports.has(wrapped), `${name} wraps ${wrapped}`)
    const fastifyPlugins = [...(plugin?.imports ?? [])].filter((one) => one.startsWith('@fastify/'))
    t.strictSame(
      quoted(wraps)
        .filter((one) => one.startsWith('@fastify/'))
        .sort(),
      fastifyPlugins.sort(),
    )
  }
})

t.test('what is on the shelf and is no plugin is in the second table', async (t) => {
  const others = entries.filter((_, i) => shelf[i] === undefined)
  t.strictSame(
    shelfRows.filter((cells) => cells.length <= 3).map(([file]) => quoted(file)[0]),
    others.sort(),
  )
})

t.test('the order of the table is the order in which the app registers', async (t) => {
  const app = read('src/app.ts')
  const fileOf = (name: string) =>
    new RegExp(`import ${name}\\b.* from '../plugins/(.+?)(?:index)?(?:\\.ts)?'`).exec(app)?.[1]
  const registered = [...app.matchAll(/app\.register\((\w+)/g)].flatMap(([, name = '']) => fileOf(name) ?? [])
  const claimed = pluginRows.map(([, file]) => quoted(file)[0]?.replace(/\.ts$/, '') ?? '')
  t.strictSame(
    claimed.filter((file) => registered.includes(file)),
    registered,
  )
})

t.test('every file that a document names is there', async (t) => {
  for (const { path, text } of documents) {
    for (const [, named = ''] of text.matchAll(/`((?:src|plugins|test|docs|bench|deploy)\/[\w./-]+)`/g)) {
      t.ok(existsSync(new URL(named, root)), `${path}: ${named}`)
    }
    for (const [, linked = ''] of text.matchAll(/\]\(([\w./-]+\.md)\)/g)) {
      t.ok(existsSync(new URL(linked, new URL(path, root))), `${path}: ${linked}`)
    }
  }
})

t.test('the containers get the folder of the config, so that a file that is replaced is read anew', async (t) => {
  const { services } = parse(read('docker-compose.yml'), { merge: true })
  const { environment, volumes } = services.gateway
  const mounted = volumes.map((volume: string) => volume.split(':'))
  const [from, to] = mounted.find(([, place]: string[]) => environment.CARDEA_CONFIG.startsWith(`${place}/`)) ?? []
  t.ok(existsSync(new URL(`${from}${environment.CARDEA_CONFIG.slice(String(to).length)}`, root)))
})

t.test('every knob, command, event and code that a document names exists', async (t) => {
  const names = new Set([...Object.values(knobs).map(({ name }) => name), configFileKnob.name])
  const commands = { ...configCommands, ...keyCommands, ...sessionCommands, ...userCommands }
  for (const { path, text } of documents) {
    for (const [name] of text.matchAll(/\b(?:CARDEA_[A-Z_]+|REDIS_URL)\b/g)) t.ok(names.has(name), `${path}: ${name}`)
    for (const [, command = '', rest = ''] of text.matchAll(/cardea -- (\w+ \w+)([^`\n]*)/g)) {
      const options = new Set(Object.keys(commands[command]?.options ?? {}))
      t.ok(commands[command], `${path}: ${command}`)
      for (const [, option = ''] of rest.matchAll(/ --([a-z]+)/g)) t.ok(options.has(option), `${path}: --${option}`)
    }
    for (const [, event = ''] of text.matchAll(/`event: (\w+)`/g))
      t.ok(Object.hasOwn(reasonTable, event), `${path}: ${event}`)
    for (const [, code = ''] of text.matchAll(/\b50\d `(\w+)`/g))
      t.ok(Object.hasOwn(errorTable, code), `${path}: ${code}`)
  }
})

t.test('the threat model names, for every attacker, tests that fail without the defence', async (t) => {
  const [, after = ''] = read('docs/threat-model.md').split('## Who attacks\n')
  const attackers =
    after
      .split('\n## ', 1)[0]
      ?.split('\n\n')
      .filter((part) => part.trim().startsWith('**')) ?? []
  t.ok(attackers.length > 5)
  for (const attacker of attackers) t.match(attacker, /`test\/[\w./-]+\.ts`/)
})

t.test('what stands in front of Cardea copies every identity field, in each of the documented files', async (t) => {
  const fields = [...Object.keys(identityOf(null)), 'x-auth-assertion']
  t.equal(fields.length, 5)
  for (const file of ['nginx.conf', 'Caddyfile', 'haproxy.lua', 'apache.lua', 'traefik.yml', 'envoy.yaml']) {
    const text = read(`docs/${file}`).toLowerCase()
    for (const field of fields) t.match(text, new RegExp(`\\b${field}\\b`), `${file} copies ${field}`)
  }
  for (const file of ['traefik.yml', 'envoy.yaml']) t.type(parse(read(`docs/${file}`)), 'object', `${file} is YAML`)
})
