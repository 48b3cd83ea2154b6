// The config: every setting, every mistake, all of them at once, and nothing of a secret in any sentence.
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import Value from 'typebox/value'
import { idleWithin } from '../../../plugins/clients/idle-connections.ts'
import { connectionsWithin, descriptorLimit, memoryLimit } from '../../../plugins/errors/shortage.ts'
import { publishedSchema } from '../../../src/cli/config-commands.ts'
import { type Config, ConfigError, type Environment, loadConfig } from '../../../src/config/index.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { configFileSetting, settings } from '../../../src/config/settings/index.ts'
import { withSecret } from '../../../src/process/first-start.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const strong = 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc'
const behindNoProxy = { NODE_ENV: 'production', CARDEA_TRUSTED_PROXIES: 'none' }
const production = { ...behindNoProxy, CARDEA_SECRET: strong, CARDEA_ISSUER: 'https://login.example.com' }

function folder(t: Test, file?: string, name = 'cardea.config.yaml'): string {
  const directory = temporaryFolder(t)
  if (file !== undefined) writeFileSync(join(directory, name), file)
  return directory
}

function load(t: Test, env: Environment, file?: string): Config {
  return loadConfig({ env, directory: folder(t, file) })
}

function violations(t: Test, env: Environment, file?: string): string[] {
  try {
    load(t, env, file)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.violations
    throw error
  }
}

const defaultLimits = {
  headerBytes: 16_384,
  headerCount: 100,
  targetBytes: 8192,
  loginBodyBytes: 4096,
  bodyBytes: 1_048_576,
  bodyMemoryBytes: 67_108_864,
  connections: connectionsWithin(descriptorLimit()),
  idleConnections: idleWithin(memoryLimit(), connectionsWithin(descriptorLimit())),
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
  requestTimeoutMs: 30_000,
}

t.test('without a file and with an empty environment, development gets the defaults', async (t) => {
  const directory = folder(t)
  t.strictSame(loadConfig({ env: {}, directory }), {
    production: false,
    listen: { host: '127.0.0.1', port: 3000 },
    issuer: 'http://127.0.0.1:3000',
    audiences: ['http://127.0.0.1:3000'],
    clientId: 'cardea',
    secrets: [],
    dataDir: join(directory, 'data'),
    redisUrl: undefined,
    storeTimeoutMs: 400,
    workers: 1,
    adminPassword: undefined,
    accessTtlSeconds: 300,
    clockToleranceSeconds: 0,
    idleTtlSeconds: 7 * 86_400,
    absoluteTtlSeconds: 30 * 86_400,
    graceMs: 10_000,
    maxSessions: 100,
    retryBinding: 'none',
    loginLimit: { max: 20, windowMs: 3 * 3_600_000 },
    refreshLimit: { max: 60, windowMs: 60_000 },
    addressLimit: { max: 200, windowMs: 2 * 3_600_000 },
    adminMaxAgeSeconds: 900,
    trustedProxies: [],
    allowedOrigins: [],
    hosts: { issuer: 'http://127.0.0.1:3000', listed: [], loopback: true },
    verify: { uncovered: 'refuse' },
    signing: { alg: 'ES256', rotateEverySeconds: 30 * 86_400 },
    hashing: { concurrency: 2, queue: 64 },
    limits: defaultLimits,
    docs: true,
    ops: true,
    hsts: false,
    logLevel: 'warn',
    maxStalenessMs: 30_000,
    onStale: 'reject',
    ...{ accessLog: 'off', accessLogSample: 100, drainMs: 0, shutdownTimeoutMs: 10_000, reloadTimeoutMs: 300_000 },
    routes: [],
    notes: [],
    file: join(directory, 'cardea.config.yaml'),
    node: undefined,
    events: { kept: 100_000, timelineEntries: 16, network: { ipv4: 24, ipv6: 48 } },
    metrics: { listen: undefined, token: undefined },
    signals: { actions: {}, thresholds: {} },
    webhook: undefined,
  })
})

t.test('production turns Swagger UI off, logs more, and says that nothing is forwarded', async (t) => {
  const config = load(t, production)
  t.match(config, { production: true, docs: false, logLevel: 'info', secrets: [strong], routes: [] })
  t.match(config.notes, [/no cardea\.config\.yaml, so nothing is forwarded/])
  t.strictSame(load(t, production, 'routes: []').notes, [])
})

t.test('the environment beats the file, member by member', async (t) => {
  const file =
    'grace: 1s\nport: 4000\nsigning:\n  alg: EdDSA\n  rotateEvery: 1d\nloginLimit: 3/10s\nissuer: https://a.example\n'
  const env = { CARDEA_GRACE: '2s', CARDEA_SIGNING_ALG: 'PS256', CARDEA_AUDIENCES: 'b, c', CARDEA_TRUSTED_PROXIES: '' }
  t.match(load(t, env, file), {
    graceMs: 2000,
    listen: { port: 4000 },
    signing: { alg: 'PS256', rotateEverySeconds: 86_400 },
    loginLimit: { max: 3, windowMs: 10_000 },
    issuer: 'https://a.example',
    audiences: ['b', 'c'],
    trustedProxies: [],
  })
})

t.test('a file may be JSON, may lie elsewhere, and must exist when it is named', async (t) => {
  const directory = folder(t, '{ "$schema": "./x.json", "grace": "3s" }', 'other.json')
  t.equal(loadConfig({ env: { CARDEA_CONFIG: 'other.json' }, directory }).graceMs, 3000)
  t.equal(loadConfig({ env: { CARDEA_CONFIG: join(directory, 'other.json') }, directory: tmpdir() }).graceMs, 3000)
  t.match(violations(t, { CARDEA_CONFIG: 'missing.yaml' }), [
    /^CARDEA_CONFIG is "missing.yaml": there is no such file$/,
  ])
  mkdirSync(join(directory, 'folder.yaml'))
  const env = { CARDEA_CONFIG: 'folder.yaml' }
  t.throws(() => loadConfig({ env, directory }), /folder.yaml is a folder, not a file/)
})

t.test('all mistakes are said at once, each with its line and path, what is there and what to write', async (t) => {
  const file = `grace: 5 minutes
acessTtl: 5m
signing: { alg: none }
routes:
  - prefix: /orders
    upstream: http://u:hunter2@127.0.0.1:4000
    policy: sometimes
    polic: public
  - upstream: http://127.0.0.1:4000
  - prefix: /auth/mine
    upstream: http://127.0.0.1:4000
  - 5
`
  const env = { PORT: '70000', CARDEA_SECRT: 'x', NODE_ENV: 'production', CARDEA_SECRET: 'tooshort' }
  const found = violations(t, env, file)
  const expected = [
    'cardea.config.yaml:1 grace is "5 minutes": write a duration',
    'cardea.config.yaml:2 acessTtl is not known: did you mean accessTtl?',
    'cardea.config.yaml:3 signing.alg is "none": write ES256, EdDSA',
    'cardea.config.yaml:6 routes[0].upstream is "http://…@127.0.0.1:4000": write a text such as http://127.0.0.1:4000',
    'cardea.config.yaml:7 routes[0].policy is "sometimes": write public or authenticated or { roles: …, scopes: … }',
    'cardea.config.yaml:8 routes[0].polic is not known: did you mean policy?',
    'cardea.config.yaml:9 routes[1] lacks "prefix": add it',
    'cardea.config.yaml:10 routes[2].prefix: The prefix /auth/mine is the gateway’s own',
    'cardea.config.yaml:12 routes[3] is 5: write { prefix: …, upstream: …',
    'PORT is 70000: write a whole number from 0 to 65535',
    'CARDEA_SECRT is not known: did you mean CARDEA_SECRET?',
    'CARDEA_ISSUER is missing',
    'CARDEA_TRUSTED_PROXIES is missing',
    'CARDEA_SECRET has 8 characters, at least 32 are needed',
  ]
  for (const start of expected)
    t.ok(
      found.some((violation) => violation.startsWith(start)),
      start,
    )
  t.equal(found.length, expected.length, 'each mistake is said once')
  t.notMatch(found.join('\n'), /hunter2|tooshort/, 'no secret is shown')
})

t.test('what cannot be parsed is said with its line', async (t) => {
  t.match(violations(t, {}, 'grace: 1s\ngrace: 2s\n'), [/^cardea\.config\.yaml:2 Map keys must be unique/])
  t.match(violations(t, {}, 'routes: [\n'), [/^cardea\.config\.yaml:\d /])
  t.match(violations(t, {}, 'grace: !!foo 1s\n'), [/Unresolved tag/])
  t.match(violations(t, {}, 'a: 1\n---\nb: 2\n'), [/multiple documents/])
  t.match(violations(t, {}, 'grace: *nowhere\n'), [/alias/i])
  t.match(violations(t, {}, '[1, 2]'), [/:1 is \[1,2\]: write \{ /])
  const levels = Array.from({ length: 9 }, (_, at) => `l${at + 1}: &l${at + 1} [${`*l${at},`.repeat(9)}]`)
  t.match(violations(t, {}, `l0: &l0 [lol]\n${levels.join('\n')}\n`), [/alias/i], 'an alias bomb is not exploded')
  t.match(violations(t, {}, `# ${'x'.repeat(1024 * 1024)}`), [/larger than/])
  const directory = folder(t)
  writeFileSync(join(directory, 'cardea.config.yaml'), Buffer.of(0xff, 0xfe, 0xfd))
  t.throws(() => loadConfig({ env: {}, directory }), /not UTF-8/)
  t.match(violations(t, {}, '__proto__: { grace: 1s }'), [/__proto__ is not known/])
  t.strictSame(violations(t, {}, ''), [], 'an empty file is a file')
})

t.test('a wrong value of each kind is refused', async (t) => {
  const wrong: [string, string[]][] = [
    ['PORT', ['-1', '65536', '3000.5', '0x10', ' 3000', '1e3', '03000']],
    ['CARDEA_GRACE', ['10', '10 s', '-1s', '1.5s', '11m', '10S', '٣s']],
    ['CARDEA_ACCESS_TTL', ['500ms', '0s', '2d', '1500ms']],
    ['CARDEA_LOGIN_LIMIT', ['10', '0/1m', '10/0s', '10/2d', '10/1m ', '1000000000/1m']],
    [
      'CARDEA_TRUSTED_PROXIES',
      [
        '0.0.0.0/0',
        '::/0',
        '10.0.0.0/33',
        '10.0.0',
        'localhost',
        '10.0.0.1,',
        '10.0.0.1/08',
        'a,a',
        'None',
        'none,10.0.0.1',
      ],
    ],
    [
      'CARDEA_ALLOWED_ORIGINS',
      ['*', 'null', 'https://a.example/', 'https://A.example', 'https://a.example:443', 'ftp://a'],
    ],
    ['CARDEA_DOCS', ['yes', '1', 'True']],
    ['CARDEA_ON_STALE', ['open', 'Reject']],
    ['CARDEA_AUDIENCES', ['a b', ',', 'ä']],
    ['CARDEA_ISSUER', ['login.example.com', '']],
    ['CARDEA_WORKERS', ['0', '2', 'auto', '-1', '257', '1.5', 'Auto']],
    [
      'REDIS_URL',
      ['127.0.0.1:6379', 'http://h', 'redis://', 'redis://a,b', 'redis://h/x', 'redis://h 1', 'redis://:p%@h'],
    ],
    ['NODE_ENV', ['prod', 'Production', 'staging']],
  ]
  for (const [name, values] of wrong) {
    for (const value of values.filter(Boolean)) {
      t.match(violations(t, { [name]: value }), [new RegExp(`^${name} `)], `${name}=${value}`)
    }
  }
  t.match(violations(t, { CARDEA_WORKERS: '4' }), [
    /is 4: the embedded store serves one process; set REDIS_URL, or write 1/,
  ])
  for (const url of [
    'redis://u:hunter2@h:x',
    'redis://:hunter2/@h',
    'redis://:h/hunter2@h',
    'redis://hunter2:x',
    'x://hunter2',
  ]) {
    t.notMatch(violations(t, { REDIS_URL: `${url}?hunter2=hunter2` }).join(), /hunter2/, url)
  }
})

t.test('with Redis there may be several processes, one a core if they are to be `auto`', async (t) => {
  const REDIS_URL = 'rediss://user:word@redis.example:6380/1'
  t.match(load(t, { REDIS_URL, CARDEA_WORKERS: '3' }), { redisUrl: REDIS_URL, workers: 3 })
  t.match(load(t, { REDIS_URL, CARDEA_WORKERS: 'auto' }), { workers: availableParallelism() })
  t.match(load(t, {}, 'redisUrl: redis+cluster://a,b:1\nworkers: auto\n'), { redisUrl: 'redis+cluster://a,b:1' })
  t.match(violations(t, {}, 'redisUrl: redis+cluster://a/1\n'), [/^cardea\.config\.yaml:1 redisUrl cannot be used: /])
})

t.test('the issuer is https in production, loopback or https in development, and in its normal form', async (t) => {
  const wrong = [
    'https://a.example/?x',
    'https://a.example#f',
    'https://a.example?',
    'https://u:p@a.example',
    'HTTPS://a.example',
    'https://a.example:443',
    'mailto:a@example.com',
    'http://a.example',
  ]
  for (const issuer of wrong) t.equal(violations(t, { CARDEA_ISSUER: issuer }).length, 1, issuer)
  t.match(violations(t, { ...production, CARDEA_ISSUER: 'http://127.0.0.1:3000' }), [
    /https URL, as this is production/,
  ])
  for (const issuer of [
    'http://localhost:3000',
    'http://[::1]:8080',
    'https://a.example',
    'https://a.example/tenant',
  ]) {
    t.equal(load(t, { CARDEA_ISSUER: issuer }).issuer, issuer)
  }
  t.equal(load(t, { PORT: '4000' }).issuer, 'http://127.0.0.1:4000', 'development names the port it listens on')
})

t.test(
  'production needs a secret that is there, long and not easy to guess; development at least a long one',
  async (t) => {
    const { CARDEA_SECRET: _, ...withoutSecret } = production
    t.match(violations(t, withoutSecret), [/^CARDEA_SECRET is missing: write at least 32/])
    t.match(violations(t, { CARDEA_SECRET: 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P' }), [/has 31 characters/])
    const weak = [
      'a'.repeat(40),
      'abcabcabcabcabcabcabcabcabcabcabcabc',
      'changeme-changeme-0123456789-ABCDEF',
      'kJ8-uQz2Lm9x0WkJ8-uQz2Lm9x0WkJ8-uQz2Lm9x0W',
      'please-replace-this-with-your-key-42',
    ]
    for (const secret of weak) {
      t.match(
        violations(t, { ...production, CARDEA_SECRET: secret }),
        [/^CARDEA_SECRET (has only|looks like|repeats)/],
        secret,
      )
      t.match(load(t, { CARDEA_SECRET: secret }).notes, [/production would refuse it/])
    }
    t.match(violations(t, { ...production, CARDEA_SECRET: `${strong},${'b'.repeat(32)}` }), [/number 2 of 2/])
    t.match(violations(t, { ...production, CARDEA_SECRET: `${strong},${strong}` }), [
      /^CARDEA_SECRET is not right.*none twice/,
    ])
    const other = 'iB3v0nQ6sXw9yU2eR5tL8kJ1hG4fD7aC'
    t.strictSame(
      load(t, { ...production, CARDEA_SECRET: `${strong}, ${other}` }).secrets,
      [strong, other],
      'newest first',
    )
  },
)

t.test('lives that contradict each other are refused; defaults yield to what is written', async (t) => {
  t.match(violations(t, { CARDEA_IDLE_TTL: '31d' }), [/^CARDEA_IDLE_TTL is 2678400s, longer than the absolute TTL/])
  t.match(violations(t, { CARDEA_ACCESS_TTL: '1h', CARDEA_ABSOLUTE_TTL: '1h' }), [
    /^CARDEA_ACCESS_TTL is 3600s, not shorter/,
  ])
  t.match(load(t, { CARDEA_ABSOLUTE_TTL: '1m' }), { absoluteTtlSeconds: 60, idleTtlSeconds: 60, accessTtlSeconds: 30 })
  t.match(load(t, { CARDEA_ACCESS_TTL: '5s' }).notes, [/^The grace \(10000ms\) is not shorter/])
  t.match(load(t, { CARDEA_SIGNING_ALG: 'HS256' }).notes, [/no JWKS/])
})

t.test('routes are checked beyond their schema, with the places of the file', async (t) => {
  const file = `routes:
  - { prefix: /a, upstream: "http://127.0.0.1:3000" }
  - { prefix: /b, upstream: ["http://127.0.0.1:4000/x", "http://127.0.0.1:4001/y"] }
  - { prefix: /b, upstream: "http://127.0.0.1:4000" }
  - { prefix: /b/../c, upstream: "http://127.0.0.1:4000" }
  - { prefix: /livez, upstream: "http://127.0.0.1:4000" }
  - { prefix: /d/, upstream: "http://127.0.0.1:4000" }
`
  const found = violations(t, {}, file).join('\n')
  t.match(found, /:2 routes\[0\]\.upstream is "http:\/\/127\.0\.0\.1:3000": this is the gateway itself/)
  t.match(found, /:3 routes\[1\]\.upstream: .*different base paths/)
  t.match(found, /:4 routes\[2\]\.prefix: .*twice/)
  t.match(found, /:5 routes\[3\]\.prefix: .*not canonical/)
  t.match(found, /:6 routes\[4\]\.prefix: .*own/)
  t.match(found, /:7 routes\[5\]\.prefix is "\/d\/"/)
  const minimal = load(
    t,
    {},
    'routes:\n  - prefix: /orders\n    upstream: http://127.0.0.1:4000\n    policy: authenticated\n',
  )
  t.strictSame(minimal.routes, [{ prefix: '/orders', upstream: 'http://127.0.0.1:4000', policy: 'authenticated' }])
  const audience = load(t, {}, 'routes:\n  - { prefix: /r, upstream: "http://127.0.0.1:4000", audience: reports }\n')
  t.strictSame(audience.audiences, ['http://127.0.0.1:3000', 'reports'], 'a route that names an audience declares it')
})

t.test('variables of a Kubernetes service called cardea are not taken for settings', async (t) => {
  const links = {
    CARDEA_SERVICE_HOST: '10.0.0.1',
    CARDEA_PORT: 'tcp://10.0.0.1:80',
    CARDEA_PORT_80_TCP_ADDR: '10.0.0.1',
  }
  t.strictSame(violations(t, links), [])
  for (const name of ['CARDEA_PORTS', 'CARDEA_PORT']) t.equal(violations(t, { [name]: '1' }).length, 1, name)
})

t.test('development makes a secret once, for this user only, and says when others can read it', async (t) => {
  const config = load(t, { CARDEA_DATA_DIR: 'new/data' })
  const file = join(config.dataDir, 'secret')
  const { secrets, notes } = withSecret(config)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(config.dataDir).mode & 0o777, 0o700)
  t.strictSame([secrets, notes], [[readFileSync(file, 'utf8').trim()], []])
  t.equal(secrets[0]?.length, 64)
  t.strictSame(withSecret(config).secrets, secrets, 'the next start uses the same one')
  t.strictSame(withSecret({ ...config, secrets: [strong] }).secrets, [strong], 'one that is given is kept')
  chmodSync(file, 0o644)
  t.match(withSecret(config).notes, [/can be read by others \(mode 644\): run chmod 600/])
  writeFileSync(file, 'oops')
  t.throws(() => withSecret(config), /does not hold a secret/)
  t.strictSame(withSecret({ ...load(t, production), secrets: [] }).secrets, [], 'production makes up nothing')
})

t.test('the published schema is the one that is enforced', async (t) => {
  const published = readFileSync(new URL('../../../docs/cardea.config.schema.json', import.meta.url), 'utf8')
  t.equal(published, `${publishedSchema()}\n`, 'npm run -s cardea -- config schema > docs/cardea.config.schema.json')
  for (const { key, kind, fallback } of Object.values(settings)) {
    if (!key || fallback === undefined) continue
    const value = key.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), kind.fromText(fallback))
    t.ok(Value.Check(configSchema, value), `the default of ${key} fits`)
  }
  const example = folder(t, readFileSync(new URL('../../../cardea.config.example.yaml', import.meta.url), 'utf8'))
  t.equal(loadConfig({ env: {}, directory: example }).routes.length, 4, 'the example is right')
})

t.test('each setting has one name, one key and a meaning', async (t) => {
  const all = [...Object.values(settings), { ...configFileSetting, key: undefined }]
  t.equal(new Set(all.map(({ name }) => name)).size, all.length)
  const keys = all.flatMap(({ key }) => key ?? [])
  t.equal(new Set(keys).size, keys.length)
  for (const { name, meaning } of all) t.match(meaning, /^[A-Z`].*\.$/, `${name} has a meaning`)
})
