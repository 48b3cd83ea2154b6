// Tests of what the documents beside README claim is held to the code: the table of the shelf, and every file, setting,
// command, reason and code that they name.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { reasonTable } from '../../plugins/audit/reasons/index.ts'
import { errorTable } from '../../plugins/errors/table.ts'
import { identityOf } from '../../plugins/forward/index.ts'
import { configCommands } from '../../src/cli/config-commands.ts'
import { keyCommands } from '../../src/cli/key-commands.ts'
import { sessionCommands } from '../../src/cli/session-commands.ts'
import { storeCommands } from '../../src/cli/store-commands.ts'
import { userCommands } from '../../src/cli/user-commands.ts'
import { configFileSetting, settings } from '../../src/config/settings/index.ts'
import { listFiles } from '../tidy/source.ts'
import { anchorsOf, sectionOf } from './page.ts'

const root = new URL('../..', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const pages = listFiles(root.pathname).filter((path) => path.endsWith('.md') && !path.startsWith('test/fixtures/'))
const documents = pages.map((path) => ({ path, text: read(path) }))

const filesBelow = (folder: URL) => readdirSync(folder, { recursive: true, encoding: 'utf8' })
const pluginFiles = filesBelow(new URL('plugins/', root))
  .map((path) => `plugins/${path}`)
  .filter((path) => path.endsWith('.ts') && /^export default fp\b/m.test(read(path)))

/** A plugin as its own code says it. */
interface Shelved {
  name: string
  file: string
  decorates: string[]
  dependsOn: string[]
  /** Every package that its files import. */
  imports: Set<string>
}

/** The plugin that a file under `plugins/` exports, if it exports one; the index of a folder stands for all files there. */
async function shelvedAt(path: string): Promise<Shelved | undefined> {
  const exported: unknown = (await import(new URL(path, root).href)).default
  // What fastify-plugin leaves on a plugin, for Fastify to read.
  const meta = Object.getOwnPropertyDescriptor(exported ?? {}, Symbol.for('plugin-meta'))?.value
  if (meta === undefined) return undefined
  const file = path.replace(/^plugins\/|index\.ts$/g, '')
  const folder = new URL(`plugins/${file}`, root)
  const others = new Set(pluginFiles.filter((other) => other !== path))
  const files = file.endsWith('/') ? filesBelow(folder).map((name) => `plugins/${file}${name}`) : [path]
  const sources = files.filter((one) => one.endsWith('.ts') && !others.has(one)).map(read)
  const found = (pattern: RegExp) => sources.flatMap((source) => [...source.matchAll(pattern)])
  return {
    name: meta.name,
    file,
    decorates: found(/\.decorate(Request)?\(\s*'(\w+)'/g)
      .map(([, ofRequest, name]) => `${ofRequest ? 'request' : 'app'}.${name}`)
      .sort(),
    dependsOn: [...(meta.dependencies ?? [])].sort(),
    imports: new Set(found(/ from '([^.'][^']*)'/g).map(([, name = '']) => name)),
  }
}

const quoted = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)
const [shelfTables = ''] = read('plugins/README.md').split('\n## ', 1)
const shelfRows = shelfTables
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split(' |').map((cell) => cell.replace(/^\|? /, '')))
const pluginRows = shelfRows.filter((cells) => cells.length > 3)
const shelf = await Promise.all(pluginFiles.map(shelvedAt))

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

t.test(
  'the folders without a plugin are in the second table, and nothing but plugins lies beside the folders',
  async (t) => {
    const entries = readdirSync(new URL('plugins/', root), { withFileTypes: true })
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${name}/`)
    t.strictSame(
      shelfRows.filter((cells) => cells.length <= 3).map(([folder]) => quoted(folder)[0]),
      folders.filter((folder) => !pluginFiles.some((path) => path.startsWith(`plugins/${folder}`))).sort(),
    )
    const beside = entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map(({ name }) => `plugins/${name}`)
    t.strictSame(
      beside.filter((path) => !pluginFiles.includes(path)),
      [],
    )
  },
)

const bodyOf = (module: string) => module.slice(module.indexOf('export async function'))

t.test('the order of the table is the order in which the app registers', async (t) => {
  // Sign-in is registered by one function, for the gateway and for the plugin `cardea` alike.
  const identity = read('plugins/cardea/identity.ts')
  const app = read('src/app.ts').replace('await registerIdentity(', () => bodyOf(identity))
  const fileOf = (name: string) =>
    new RegExp(`import ${name}\\b.* from '\\.\\./(?:plugins/)?(.+?)(?:index)?(?:\\.ts)?'`).exec(app + identity)?.[1]
  const registered = [...app.matchAll(/app\.register\((\w+)/g)].flatMap(([, name = '']) => fileOf(name) ?? [])
  const claimed = pluginRows.map(([, file]) => quoted(file)[0]?.replace(/\.ts$/, '') ?? '')
  t.strictSame(
    claimed.filter((file) => registered.includes(file)),
    registered,
  )
})

t.test('every file that a document names is there', async (t) => {
  const folders = 'src|plugins|test|docs|bench|simulator|lab|deploy'
  for (const { path, text } of documents) {
    for (const [, named = ''] of text.matchAll(new RegExp(`\`((?:${folders})\\/[\\w./-]+)\``, 'g'))) {
      t.ok(existsSync(new URL(named, root)), `${path}: ${named}`)
    }
  }
})

t.test('every link of a document leads to a file that is there, and to a heading of it', async (t) => {
  const anchors = new Map(documents.map(({ path, text }) => [path, anchorsOf(text)]))
  let links = 0
  for (const { path, text } of documents) {
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      links += 1
      const [file = '', anchor] = target.split('#')
      const named = file === '' ? path : relative(root.pathname, new URL(file, new URL(path, root)).pathname)
      t.ok(existsSync(new URL(named, root)), `${path}: ${target}`)
      if (anchor !== undefined) t.ok(anchors.get(named)?.has(anchor), `${path}: ${target}`)
    }
  }
  t.ok(links > 40)
})

t.test('the containers get the folder of the config, so that a file that is replaced is read anew', async (t) => {
  const { services } = parse(read('docker-compose.yml'), { merge: true })
  const { environment, volumes } = services.gateway
  const mounted = volumes.map((volume: string) => volume.split(':'))
  const [from, to] = mounted.find(([, place]: string[]) => environment.CARDEA_CONFIG.startsWith(`${place}/`)) ?? []
  t.ok(existsSync(new URL(`${from}${environment.CARDEA_CONFIG.slice(String(to).length)}`, root)))
})

t.test('every setting, command, event and code that a document names exists', async (t) => {
  const names = new Set([...Object.values(settings).map(({ name }) => name), configFileSetting.name])
  const commands = { ...configCommands, ...keyCommands, ...sessionCommands, ...storeCommands, ...userCommands }
  for (const { path, text } of documents) {
    for (const [name] of text.matchAll(/\b(?:CARDEA_[A-Z_]+|REDIS_URL)\b/g)) t.ok(names.has(name), `${path}: ${name}`)
    for (const [, command = '', rest = ''] of text.matchAll(/ cardea -- (backup|restore|\w+ \w+)([^`\n]*)/g)) {
      const options = new Set(['json', ...Object.keys(commands[command]?.options ?? {})])
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
    const text = read(`docs/proxies/${file}`).toLowerCase()
    for (const field of fields) t.match(text, new RegExp(`\\b${field}\\b`), `${file} copies ${field}`)
  }
  for (const file of ['traefik.yml', 'envoy.yaml'])
    t.type(parse(read(`docs/proxies/${file}`)), 'object', `${file} is YAML`)
})

t.test('the page on browser apps shows the token code as it is', async (t) => {
  t.ok(read('docs/browser-apps.md').includes(`\`\`\`js\n${read('docs/examples/token.js')}\`\`\``))
})

t.test('.nvmrc names the Node that `npm ci` brings', async (t) => {
  t.equal(read('.nvmrc').trim(), JSON.parse(read('package.json')).devDependencies.node)
})

t.test('what the scripts of two proxies share is the same in both: each is copied alone', async (t) => {
  const sharedIn = (path: string) => /^local function without_own_cookies[\s\S]*?^end$/m.exec(read(path))?.[0]
  t.match(sharedIn('docs/proxies/apache.lua'), /__host-cardea/)
  t.equal(sharedIn('docs/proxies/haproxy.lua'), sharedIn('docs/proxies/apache.lua'))
})

t.test('the mutation scores are those that were recorded', async (t) => {
  const recorded: Record<string, { mutants: number; found: number }> = JSON.parse(read('test/mutation/scores.json'))
  const rows = Object.entries(recorded).map(
    ([name, { mutants, found }]) =>
      `| \`${name}\` | ${mutants} | ${found} | ${Math.floor((100 * found) / mutants)} % |`,
  )
  t.ok(rows.length > 0)
  const lines = sectionOf(read('CONTRIBUTING.md'), 'What the tests hold').split('\n')
  t.strictSame(
    lines.filter((line) => /^\| `/.test(line)),
    rows,
  )
})
