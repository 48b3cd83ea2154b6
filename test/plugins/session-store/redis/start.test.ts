// Starting on Redis: what REDIS_URL may be, which servers are refused and in which words, TLS and passwords.
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { deriveSecrets } from '../../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../../../plugins/keys/subject-tag.ts'
import type { KeyStore, Store } from '../../../../plugins/session-store/port/store.ts'
import { describeAddress, parseRedisUrl } from '../../../../plugins/session-store/redis/connection/address.ts'
import { openRedisStore, type RedisStoreOptions } from '../../../../plugins/session-store/redis/index.ts'
import { aclRule, checkRedis, clusterAclRule } from '../../../../plugins/session-store/redis/start/checks.ts'
import { subjectTag } from '../../../../plugins/session-store/refresh-token.ts'
import { freePort } from '../../../support/processes/free-port.ts'
import { startRedis } from '../../../support/redis/server.ts'
import { startProxy } from '../../../support/tcp-proxy.ts'

function open(options: Partial<RedisStoreOptions> & { url: string }): Promise<Store> {
  return openRedisStore({ loadSubjectTag: async () => () => 'AAAAAAAA', ...options })
}

/** A server with a password, and its REDIS_URL. */
async function startWithPassword(t: Test, password: string): Promise<string> {
  const { port } = await startRedis(t, ['--requirepass', 'right-secret'])
  return `redis://:${password}@127.0.0.1:${port}`
}

t.test('start: a server that may evict is refused with the sentence that says what to set', async (t) => {
  const server = await startRedis(t, ['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'])
  await t.rejects(open({ url: server.url }), {
    message: /maxmemory-policy allkeys-lru.*config set maxmemory-policy noeviction/s,
  })
})

t.test('start: a replica, and a node of a Cluster under redis://, are refused', async (t) => {
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1 1'])
  await t.rejects(open({ url: replica.url }), { message: /is a slave, which cannot be written to/ })
  const clustered = await startRedis(t, ['--cluster-enabled', 'yes'])
  await connectNode(t, clustered.url).call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await t.rejects(open({ url: clustered.url }), { message: /redis\+cluster:\/\// })
})

function connectNode(t: Test, to: string): Redis {
  const redis = new Redis(to, { protocol: 2, disableClientInfo: true, enableReadyCheck: false })
  t.teardown(() => redis.disconnect())
  return redis
}

/** A path to a real server on which each connection lives by `fate` once it asks for INFO the second time: after `ready`. */
async function startFatefulPath(t: Test, port: number, fate: (connection: number) => 'served' | 'reset' | 'silent') {
  let connections = 0
  const path = createServer((client) => {
    connections += 1
    const fated = fate(connections)
    const server = connect(port, '127.0.0.1')
    let asked = 0
    for (const socket of [client, server]) socket.on('error', () => undefined)
    client.on('close', () => server.destroy())
    server.on('data', (bytes) => client.write(bytes))
    client.on('data', (bytes) => {
      asked += bytes.toString('latin1').split(/info/i).length - 1
      if (asked < 2 || fated === 'served') server.write(bytes)
      else if (fated === 'reset') client.resetAndDestroy()
    })
    t.teardown(() => void client.destroy())
  })
  t.teardown(() => void path.close())
  path.listen(0, '127.0.0.1')
  await once(path, 'listening')
  const address = path.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `redis://127.0.0.1:${address.port}`, connections: () => connections }
}

t.test(
  'start: a server that answers nothing, before or after it said that it is ready, is given up in time',
  async (t) => {
    const { port } = await startRedis(t)
    const deaf = await startProxy(t, port)
    deaf.silence()
    const silent = await startFatefulPath(t, port, () => 'silent')
    for (const url of [`redis://127.0.0.1:${deaf.port}`, silent.url]) {
      const startedAt = performance.now()
      await t.rejects(open({ url, startTimeoutMs: 300 }), {
        name: 'StoreUnavailable',
        message: /^Redis: no response within/,
      })
      t.ok(performance.now() - startedAt < 1300, 'a second more is for a busy machine')
    }
  },
)

t.test(
  'start: a connection that is lost while the server is checked is made again, until the time is up',
  async (t) => {
    const { port } = await startRedis(t)
    const shaky = await startFatefulPath(t, port, (connection) => (connection < 3 ? 'reset' : 'served'))
    const store = await open({ url: shaky.url })
    t.teardown(() => store.close())
    t.ok(shaky.connections() >= 3)
    await store.ping()
    const hopeless = await startFatefulPath(t, port, () => 'reset')
    await t.rejects(open({ url: hopeless.url, startTimeoutMs: 300 }), {
      name: 'StoreUnavailable',
      message: /^Redis: (the connection was lost each time the server was checked|no response within)/,
    })
  },
)

t.test('start: old versions are refused, all complaints at once; a clock far away is a warning', async (t) => {
  const server = (info: Record<string, string>, seconds = Date.now() / 1000) => ({
    info: async () =>
      Object.entries(info)
        .map(([name, value]) => `${name}:${value}\r\n`)
        .join(''),
    time: async () => [Math.floor(seconds), 0],
  })
  // Boundary: of a client only INFO and TIME are used.
  const check = (fake: ReturnType<typeof server>) => checkRedis(fake as unknown as Redis, false)
  const good = { redis_version: '6.2.0', maxmemory_policy: 'noeviction', role: 'master', cluster_enabled: '0' }
  t.strictSame(await check(server(good)), {
    server: 'Redis 6.2.0',
    knowsScriptFlags: false,
    errorResponses: [],
    warnings: [],
  })
  const valkey = { ...good, redis_version: '7.2.4', server_name: 'valkey', valkey_version: '8.1.1' }
  t.equal((await check(server(valkey))).server, 'Valkey 8.1.1')
  const bad = { redis_version: '6.0.16', maxmemory_policy: 'volatile-lru', role: 'slave', cluster_enabled: '0' }
  t.equal((await check(server(bad))).errorResponses.length, 3)
  t.match((await check(server({ ...good, redis_version: '5.0.7' }))).errorResponses, [
    /6\.2 or newer is needed; this server is 5\.0\.7/,
  ])
  t.match((await check(server(good, Date.now() / 1000 - 60))).warnings, [/behind this machine's/])
  t.match((await check(server(good, Date.now() / 1000 + 60))).warnings, [/ahead of this machine's/])
})

t.test('gateways that start at once on an empty Redis agree on the tag of a subject', async (t) => {
  const { url } = await startRedis(t)
  const secrets = deriveSecrets(['a secret of the test, long enough'])
  const tags: string[] = []
  const loadSubjectTag = async (keys: KeyStore) => {
    const key = await loadSubjectTagKey(keys, secrets)
    tags.push(subjectTag('ana', key))
    return (sub: string) => subjectTag(sub, key)
  }
  const stores = await Promise.all([1, 2, 3].map(() => open({ url, loadSubjectTag })))
  t.teardown(() => Promise.all(stores.map((store) => store.close())).then(() => undefined))
  t.equal(new Set(tags).size, 1)
  t.match(tags[0], /^[\w-]{8}$/)
  t.equal((await stores[0]?.keys.list())?.length, 1)
})

t.test('a wrong password is refused without showing one', async (t) => {
  const url = await startWithPassword(t, 'wrong-secret')
  const error: unknown = await open({ url, startTimeoutMs: 1000 }).catch((error: unknown) => error)
  t.match(error, { message: /does not know this user with this password/, cause: { message: /WRONGPASS/ } })
  t.notMatch(inspect(error, { depth: null, showHidden: true }), /wrong-secret/)
})

t.test('the description names server and address, never user or password', async (t) => {
  const store = await open({ url: await startWithPassword(t, 'right-secret') })
  t.teardown(() => store.close())
  t.match(store.description, /^(Redis|Valkey) \d+\.\d+\.\d+ \(127\.0\.0\.1:\d+\)$/)
})

t.test('rediss:// speaks TLS and checks the certificate', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cardea-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate, ...subject], { stdio: 'ignore' })
  const port = await freePort()
  const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no']
  await startRedis(t, ['--tls-port', `${port}`, '--requirepass', 'p@ss:word', ...files])
  const tlsUrl = `rediss://:${encodeURIComponent('p@ss:word')}@127.0.0.1:${port}`
  // Node reads extra authorities at its own start.
  const script = `
    import { openRedisStore } from ${JSON.stringify(new URL('../../../../plugins/session-store/redis/index.ts', import.meta.url).href)}
    const store = await openRedisStore({ url: process.argv[1], startTimeoutMs: 2000, loadSubjectTag: async () => () => 'AAAAAAAA' })
    await store.ping()
    await store.close()`
  const run = (env: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script, tlsUrl], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    })
  t.equal(run({ NODE_EXTRA_CA_CERTS: certificate }).stderr, '')
  const unknownAuthority = run({ NODE_EXTRA_CA_CERTS: undefined })
  t.not(unknownAuthority.status, 0)
  t.match(unknownAuthority.stderr, /self-signed certificate/)
})

t.test('the page on Redis quotes the ACL rules as they are', async (t) => {
  const page = readFileSync(new URL('../../../../docs/redis.md', import.meta.url), 'utf8')
  t.ok(page.includes(`\nuser cardea on >PASSWORD ${aclRule}\n`))
  t.ok(page.includes(`\`${clusterAclRule}\``))
})

t.test('REDIS_URL: its forms, and what is wrong with others', async (t) => {
  const single = { tls: false, form: 'single', node: { host: 'h', port: 6379 }, db: 0 }
  t.strictSame(parseRedisUrl('redis://h'), single)
  t.strictSame(parseRedisUrl('redis://h:1/2'), { ...single, node: { host: 'h', port: 1 }, db: 2 })
  t.match(parseRedisUrl('rediss://u%40x:p%3A%2F@[::1]:7'), {
    tls: true,
    username: 'u@x',
    password: 'p:/',
    node: { host: '::1', port: 7 },
  })
  t.match(parseRedisUrl('redis://:p@h'), { password: 'p' })
  const sentinels = [
    { host: 'a', port: 1 },
    { host: 'b', port: 26379 },
  ]
  t.strictSame(parseRedisUrl('redis+sentinel://:p@a:1,b/gw/3?sentinelPassword=s'), {
    tls: false,
    password: 'p',
    form: 'sentinel',
    sentinels,
    primaryName: 'gw',
    db: 3,
    sentinelPassword: 's',
  })
  t.match(parseRedisUrl('rediss+cluster://a,b:9'), {
    tls: true,
    form: 'cluster',
    nodes: [
      { host: 'a', port: 6379 },
      { host: 'b', port: 9 },
    ],
  })
  t.equal(describeAddress(parseRedisUrl('redis+sentinel://u:p@a:1,b/gw')), 'gw by sentinels a:1, b:26379')
  t.equal(describeAddress(parseRedisUrl('redis+cluster://u:p@a:1,[::1]:2')), 'cluster a:1, [::1]:2')
  const wrong = [
    'http://h',
    'redis://',
    'redis://h:0',
    'redis://h:99999',
    'redis://a,b',
    'redis://h/x',
    'redis://h?x=1',
    'redis://user-without-password@h',
    'redis+sentinel://a:1',
    'redis+cluster://a/3',
    'redis://h/1/2',
    '',
  ]
  for (const text of wrong)
    t.throws(() => parseRedisUrl(text), { message: /^REDIS_URL cannot be used: .*Forms: / }, text)
  t.throws(
    () => parseRedisUrl('redis://u:hunter2@h:x'),
    { message: /^((?!hunter2).)*$/s },
    'no password in the message',
  )
})
