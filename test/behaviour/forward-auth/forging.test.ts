// Tests of what a client says of itself, in front of every proxy that docs and README have a configuration for: each whole
// file and each snippet is run as it stands, and nothing forged arrives at the service, whatever the spelling; nor do the
// token and the cookies.
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { identityOf } from '../../../plugins/forward/index.ts'
import { startApache, startCaddy, startHaproxy, startNginx } from '../../support/processes/proxy-server.ts'
import { sendRaw } from '../../support/raw-client.ts'
import { behind, type ProxyInFront, proxies, withServers } from './scene.ts'

const root = new URL('../../../', import.meta.url)

/** By the language of a fenced block: what a snippet needs around it to be a whole file, and the program. */
const around: Record<string, Pick<ProxyInFront, 'start'> & { whole: (snippet: string, port: number) => string }> = {
  nginx: {
    start: startNginx,
    whole: (snippet, port) =>
      `upstream cardea { server 127.0.0.1:3000; }\nupstream orders { server 127.0.0.1:4000; }\n` +
      `server { listen 127.0.0.1:${port};\n${snippet}\n}`,
  },
  caddyfile: { start: startCaddy, whole: (snippet, port) => `:${port} {\n\tbind 127.0.0.1\n${snippet}\n}` },
  haproxy: { start: startHaproxy, whole: (snippet) => snippet },
  apache: { start: startApache, whole: (snippet) => snippet },
}

/** Every snippet of a proxy's configuration in what people read. */
function snippets(): ProxyInFront[] {
  const docs = readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`)
  const pages = ['README.md', 'plugins/README.md', ...docs.filter((name) => name.endsWith('.md'))]
  return pages.flatMap((page) => {
    const text = readFileSync(new URL(page, root), 'utf8')
    return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, language = '', snippet = ''], at) => {
      const known = around[language]
      if (known === undefined) return []
      const sites: ProxyInFront['sites'] = (servers) => (port) => withServers(known.whole(snippet, port), servers)
      return [{ name: `${page}, block ${at + 1} (${language})`, start: known.start, sites }]
    })
  })
}

const identity = [...Object.keys(identityOf(null)), 'x-auth-assertion']
const place = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-prefix', 'x-forwarded-port']
const morePlaces = ['x-forwarded-user', 'x-real-ip', 'x-client-ip', 'x-cluster-client-ip', 'forwarded', 'proxy']
const override = ['x-http-method-override', 'x-http-method', 'x-method-override', 'x-method', 'x-rewrite-url']
const original = ['x-original-method', 'x-original-url', 'x-original-uri']
const capitals = (name: string) => name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())

/** Each as one request, so that a proxy that refuses one spelling is asked about the others all the same. */
const forgeries: Record<string, string[]> = {
  'as they are written': [...identity, ...place, ...morePlaces, ...override, ...original].map(capitals),
  'in small letters': [...identity, ...place, ...morePlaces, ...override, ...original],
  'in capital letters': identity.map((name) => name.toUpperCase()),
  'with `_`': identity.map((name) => name.replaceAll('-', '_')),
  'with one `_`': identity.map((name) => capitals(name).replace(/-(?=[^-]*$)/, '_')),
  'with `.`': identity.map((name) => name.replaceAll('-', '.')),
  'with one `.`': identity.map((name) => capitals(name).replace(/-(?=[^-]*$)/, '.')),
  repeated: [...identity, ...identity, ...identity.map(capitals)],
}

const ownCookies = ['refresh', 'refresh2', 'access', 'access2', 'device'].map(
  (name) => `__Host-cardea_${name}=secret-${name}`,
)
const cookie = `Cookie: a=1; ${ownCookies.join('; b=2; ')}; c=3`

for (const proxy of [...proxies, ...snippets()]) {
  t.test(`${proxy.name}: nothing a client forges arrives, nor its token, nor Cardea’s cookies`, async (t) => {
    const { port, service, alice } = await behind(proxy, t)
    const token = alice.authorization.slice('Bearer '.length)
    const bearer = `Authorization: ${alice.authorization}`
    const ask = async (target: string, lines: string[]) => {
      service.received.length = 0
      const head = [`GET ${target} HTTP/1.1`, 'Host: a', ...lines]
      if (!lines.some((line) => line.startsWith('Connection'))) head.push('Connection: close')
      const { text } = await sendRaw(port, `${head.join('\r\n')}\r\n\r\n`)
      return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), received: service.received[0] }
    }
    for (const [spelling, names] of Object.entries(forgeries)) {
      const forged = names.map((name) => `${name}: forged`)
      for (const [target, who] of [
        ['/orders/1', [bearer, cookie]],
        ['/orders/public/1', [cookie]],
        ['/orders/public/1', [bearer, cookie]],
      ] as const) {
        const { status, received } = await ask(target, [...who, ...forged])
        t.ok(status === 200 || (status === 400 && received === undefined), `${spelling}, ${target}: ${status}`)
        const arrived = received?.rawHeaders.join('\n') ?? ''
        t.notMatch(arrived, 'forged', `${spelling}, ${target}`)
        t.notMatch(arrived, 'secret', `${spelling}, ${target}: the cookies`)
        t.notMatch(arrived, token, `${spelling}, ${target}: the token`)
      }
    }
    const nominated = await ask('/orders/1', [bearer, `Connection: close, ${identity.join(', ')}`])
    t.match(nominated.received?.headers, { 'x-auth-subject': 'alice', 'x-auth-roles': 'user' }, 'nominated')
    const checked = await ask('/orders/staff/1', [bearer, 'X-Auth-Roles: admin', 'X-Forwarded-Uri: /orders/public/1'])
    t.match(checked, { status: 403, received: undefined })
  })
}

t.test('every proxy that docs names has a file that is run, or a file that says that it was not', async (t) => {
  const files = readdirSync(new URL('docs/proxies/', root))
  const run = ['nginx.conf', 'Caddyfile', 'haproxy.cfg', 'haproxy.lua', 'apache.conf', 'apache.lua']
  for (const name of files.filter((one) => ![...run, 'README.md'].includes(one))) {
    const opening = readFileSync(new URL(`docs/proxies/${name}`, root), 'utf8').split(/^[^#]/m, 1)[0]
    t.match(opening, /was not run|not run by the tests/i, name)
  }
})
