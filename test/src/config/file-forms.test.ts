// Tests of what the config file takes beside plain values: one form of durations and rates, defaults of routes, variables of the
// environment, keys that are free, and sentences for the names of 0.1.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the config file writes variables.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { compileRoutes, type ForwardedMethod } from '../../../plugins/forward/route/compile.ts'
import { type Config, ConfigError, type Environment, loadConfig } from '../../../src/config/index.ts'
import { expandVariables } from '../../../src/config/variables.ts'
import { DocumentSource } from '../../../src/reload/openapi-documents.ts'
import { gatewayFor, upstreamFor } from '../../plugins/forward/gateway.ts'
import { alice, documentOf, writeDocument } from '../../plugins/forward/openapi/scene.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const orders = { prefix: '/orders', upstream: 'http://127.0.0.1:4000' }

function load(t: Test, file: string | object, env: Environment = {}): Config {
  const directory = temporaryFolder(t)
  writeFileSync(join(directory, 'cardea.config.yaml'), typeof file === 'string' ? file : JSON.stringify(file))
  return loadConfig({ env, directory })
}

function violations(t: Test, file: string | object, env?: Environment): string[] {
  try {
    load(t, file, env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.violations
    throw error
  }
}

t.test('durations and rates of a route have the form of all others', async (t) => {
  const written = {
    timeouts: { connect: '2s', headers: '1m', bodyIdle: '500ms', websocketIdle: '1h' },
    ejection: { first: '2s', max: '1m' },
    health: { path: '/', interval: '10s', timeout: '1s' },
    assertion: { audience: 'a', ttl: '2m' },
    rateLimit: '100/1m',
  }
  const [route] = compileRoutes(load(t, { routes: [{ ...orders, ...written }] }).routes)
  t.match(route, { connectMs: 2000, headersMs: 60_000, bodyIdleMs: 500, websocketIdleMs: 3_600_000 })
  t.strictSame(route?.ejection, { failures: 5, firstMs: 2000, maxMs: 60_000 })
  t.strictSame(route?.health, { path: '/', intervalMs: 10_000, timeoutMs: 1000, failures: 2 })
  t.strictSame(route?.assertion, { audience: 'a', ttlSeconds: 120 })
  t.strictSame(route?.rateLimit, { max: 100, windowSeconds: 60 })
})

t.test('numbers, other forms and what is too short or too long are told all at once', async (t) => {
  const timeouts = { connect: 2000, headers: '0s', bodyIdle: '2d', websocketIdle: '1 m' }
  const wrong = { ...orders, timeouts, assertion: { audience: 'a', ttl: '5500ms' }, rateLimit: '10/1500ms' }
  const found = violations(t, { routes: [wrong], defaults: { rateLimit: '0/1m' } })
  t.equal(found.length, 7, found.join('\n'))
  for (const part of [
    'timeouts.connect is 2000: write a text such as',
    'bodyIdle',
    'from 1ms to 1d',
    'assertion.ttl',
    'defaults.rateLimit',
  ])
    t.match(found.join('\n'), part)
})

t.test('each name of 0.1 is told with the name and the value of today', async (t) => {
  const old = {
    ...orders,
    timeouts: { connectMs: 2000, headersMs: 'x', bodyIdleMs: 1500, websocketIdleMs: 300_000 },
    ejection: { firstMs: 1000, maxMs: 90_000 },
    health: { path: '/', intervalMs: 5000, timeoutMs: 2000 },
    assertion: { audience: 'a', ttlSeconds: 60 },
    rateLimit: { max: 100, windowSeconds: 60 },
  }
  const env = { CARDEA_STOP_DELAY: '1s', CARDEA_RELOAD_DELAY: '1s' }
  const found = violations(t, { routes: [old], stopDelay: '20s', reloadDelay: '1m' }, env).join('\n')
  for (const part of [
    'timeouts.connectMs is now timeouts.connect: write 2s',
    'is now timeouts.headers: write 30s',
    'is now timeouts.bodyIdle: write 1500ms',
    'is now timeouts.websocketIdle: write 5m',
    'is now ejection.first: write 1s',
    'is now ejection.max: write 90s',
    'is now health.interval: write 5s',
    'is now health.timeout: write 2s',
    'is now assertion.ttl: write 1m',
    'is now one text, in the place of max and windowSeconds: write 100/1m',
    'stopDelay is now shutdownTimeout: write 20s',
    'reloadDelay is now reloadTimeout: write 1m',
    'CARDEA_STOP_DELAY is now CARDEA_SHUTDOWN_TIMEOUT',
    'CARDEA_RELOAD_DELAY is now CARDEA_RELOAD_TIMEOUT',
  ])
    t.ok(found.includes(part), part)
  t.match(violations(t, { defaults: { timeouts: { connectMs: 1 } } }), [
    /defaults.timeouts.connectMs is now .*write 1ms/,
  ])
})

t.test('a route inherits each member of defaults that it does not name, and its own wins whole', async (t) => {
  const defaults = { policy: { roles: ['clerk'] }, timeouts: { connect: '1s', headers: '10s' }, rateLimit: '5/1s' }
  const own = { prefix: '/own', upstream: orders.upstream, policy: 'public', timeouts: { headers: '1m' } }
  const [inheriting, other] = compileRoutes(load(t, { defaults, routes: [orders, own] }).routes)
  t.match(inheriting, {
    connectMs: 1000,
    headersMs: 10_000,
    rateLimit: { max: 5 },
    policies: { GET: { roles: ['clerk'] } },
  })
  t.match(other, { connectMs: 2000, headersMs: 60_000, rateLimit: { max: 5 }, policies: { GET: 'public' } })
  t.match(violations(t, { defaults: { upstream: orders.upstream } }), [/defaults.upstream is not known/])
  const inherited = { defaults: { forwardAuthorization: true }, routes: [orders, own] }
  t.match(violations(t, inherited), [/yaml:1 defaults.forwardAuthorization: the service would get a token/])
  t.equal(violations(t, inherited).length, 1, 'a mistake of defaults is told once, not for each route')
})

t.test('a route goes without a member of defaults that it lists, and is as if nobody had named it', async (t) => {
  const health = { path: '/healthz' }
  const defaults = { policy: 'public', rateLimit: '5/1s', assertion: { audience: 'all' }, health, audience: 'a' }
  const bare = { ...orders, without: Object.keys(defaults) }
  const half = {
    prefix: '/half',
    upstream: orders.upstream,
    without: ['rateLimit', 'policy'],
    policy: { roles: ['x'] },
  }
  const [route, other] = compileRoutes(load(t, { defaults, routes: [bare, half] }).routes)
  const [untouched] = compileRoutes([orders])
  t.strictSame({ ...route, meter: null, shares: null }, { ...untouched, meter: null, shares: null })
  t.match(other, { rateLimit: undefined, policies: { GET: { roles: ['x'] } }, assertion: { audience: 'all' } })
  t.match(violations(t, { defaults, routes: [{ ...orders, without: ['ratelimit'] }] }), [
    /yaml:1 routes\[0\].without\[0\] is "ratelimit": write .*defaults/,
  ])
  t.match(violations(t, { routes: [{ ...orders, without: ['upstream'] }] }), [/without\[0\] is "upstream"/])
  t.match(violations(t, { defaults: { without: ['policy'] } }), [/defaults.without is not known/])
})

t.test('a mistake of defaults is none of the route that goes without it', async (t) => {
  const defaults = { forwardAuthorization: true }
  const bare = { ...orders, without: ['forwardAuthorization'] }
  t.strictSame(violations(t, { defaults, routes: [bare] }), [])
})

t.test('operations of an OpenAPI document inherit what their route inherits', async (t) => {
  const paths = { '/items': { get: {}, post: { 'x-cardea-policy': { roles: ['editor'] } } } }
  const openapi = writeDocument(t, documentOf(paths))
  const { url: upstream } = await upstreamFor(t)
  const defaults = { policy: { roles: ['clerk'] }, forwardAuthorization: false, sandbox: true }
  const { prefix } = orders
  const other = { prefix: '/other', upstream, rewrite: '/', openapi, without: ['policy', 'sandbox'] }
  const { routes } = load(t, { defaults, routes: [{ prefix, upstream, rewrite: '/', openapi }, other] })
  const { compiled } = await new DocumentSource().load(routes)
  const { app, url } = await gatewayFor(t, routes, { documents: compiled })
  const policies = (path: string, method: ForwardedMethod) => app.policyLookup.of(path, method)?.policies?.flat()
  t.strictSame(policies('/orders/items', 'GET'), [{ roles: ['clerk'] }])
  t.strictSame(policies('/orders/items', 'POST'), [{ roles: ['clerk'] }, { roles: ['editor'] }])
  t.strictSame(policies('/other/items', 'GET'), ['authenticated'])
  t.equal((await fetch(`${url}/orders/items`, { headers: alice })).status, 403, 'alice is no clerk')
  const response = await fetch(`${url}/other/items`, { headers: alice })
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-security-policy'), null)
})

t.test('a variable of the environment stands in a text, once, and never in a key', async (t) => {
  const env = { ORDERS: 'http://127.0.0.1:4000', PART: '$' + '{ORDERS}' }
  const [route] = load(t, 'routes:\n  - { prefix: /orders, upstream: "${ORDERS}/v1" }', env).routes
  t.equal(route?.upstream, 'http://127.0.0.1:4000/v1')
  const expand = (value: unknown) => expandVariables(value, env)
  t.equal(expand('${PART}').value, '${ORDERS}', 'what a variable holds is not expanded')
  t.equal(expand('$${ORDERS}').value, '${ORDERS}')
  t.strictSame(expand({ '${ORDERS}': 1 }).value, { '${ORDERS}': 1 })
  const found = violations(
    t,
    'routes:\n  - { prefix: /a, upstream: "${NOWHERE}" }\n  - { prefix: "/${EMPTY}", upstream: "${" }',
    { EMPTY: '' },
  )
  t.equal(found.length, 3, found.join('\n'))
  t.match(found, [
    /yaml:2 routes\[0\].upstream needs the environment variable NOWHERE/,
    /EMPTY/,
    /routes\[1\].upstream has/,
  ])
  for (const name of ['constructor', '__proto__', 'toString']) t.equal(expand(`\${${name}}`).violations.length, 1, name)
  t.match(violations(t, 'routes: &a [ *a ]'), [/holds itself/])
})

t.test('what a variable holds shows in no sentence', async (t) => {
  const secret = 'Hunter2-Hunter2'
  const files = [
    'clientId: "a b ${S}"',
    'issuer: "https://${S}.example.com/?q"',
    'routes:\n  - { prefix: "/${S}", upstream: "http://h:0" }\n  - { prefix: "/${S}", upstream: "http://${S}:70000" }',
    'routes:\n  - { prefix: "${S}", upstream: "ftp://${S}" }',
  ]
  for (const file of files) {
    const found = violations(t, file, { S: secret })
    t.ok(found.length > 0, file)
    t.notMatch(found.join('\n').toLowerCase(), secret.toLowerCase(), file)
    t.match(found.join('\n'), '$' + '{S}')
  }
})

t.test('keys that begin with x- are free at every level, and what is in them is not read', async (t) => {
  const file =
    'x-a: { "${NO}": "${NO}" }\nx-same: &same { connect: 1s, x-why: slow }\nsigning: { x-b: 1 }\ndefaults: { x-c: [] }\nroutes:\n  - { prefix: /a, upstream: "http://127.0.0.1:1", x-d: {}, timeouts: *same, methods: { x-e: 1 } }'
  const config = load(t, file)
  t.strictSame(config.routes, [
    { prefix: '/a', upstream: 'http://127.0.0.1:1', timeouts: { connect: '1s' }, methods: {} },
  ])
  t.match(violations(t, { xa: 1 }), [/xa is not known/])
})

t.test('whatever is written around ${ is either expanded whole or a violation', async (t) => {
  const parts = ['$', '{', '}', 'A', '${A}', '$${', '${', ' ', '_', '-', '\n']
  for (let run = 0; run < 5000; run += 1) {
    const text = Array.from({ length: 6 }, () => parts[Math.floor(Math.random() * parts.length)]).join('')
    const { value, violations } = expandVariables([text], { A: '${A}$${A}' })
    const isRight = !text.replaceAll('$${', '.').replaceAll('${A}', '.').includes('${')
    if (isRight !== (violations.length === 0)) t.fail(JSON.stringify(text))
    const wanted = text.replaceAll(/\$\$\{|\$\{A\}/g, (found) => (found === '$${' ? '${' : '${A}$${A}'))
    if (!Array.isArray(value) || value[0] !== (isRight ? wanted : text)) t.fail(JSON.stringify(text))
  }
  t.pass()
})
