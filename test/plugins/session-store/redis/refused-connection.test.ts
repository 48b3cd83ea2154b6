// A REDIS_URL that can never work is told at once, and with what to change: passwords, TLS on either side, a Cluster that is none.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import t, { type Test } from 'tap'
import { parseRedisUrl } from '../../../../plugins/session-store/redis/connection/address.ts'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { makeAuthority } from '../../../support/processes/certificates.ts'
import { freePort } from '../../../support/processes/free-port.ts'
import { startRedis } from '../../../support/redis/server.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

// Far more than it takes, far less than the start would try for.
const startTimeoutMs = 30_000

function open(url: string) {
  return openRedisStore({ url, startTimeoutMs, loadSubjectTag: async () => () => 'AAAAAAAA' })
}

async function refusalOf(url: string): Promise<{ message: string; tookMs: number }> {
  const startedAt = performance.now()
  const message = await open(url).then(
    async (store) => {
      await store.close()
      return 'it was opened'
    },
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  return { message, tookMs: performance.now() - startedAt }
}

async function requireRefusal(t: Test, url: string, sentence: RegExp): Promise<void> {
  const { message, tookMs } = await refusalOf(url)
  t.match(message, sentence)
  t.ok(tookMs < startTimeoutMs / 4, `at once: ${Math.round(tookMs)} ms`)
  t.notMatch(message, /hunter/, 'and shows no password')
}

/** A Redis that speaks TLS and demands a certificate; where it listens, and the options of a URL that it takes. */
async function startTls(t: Test, ...names: string[]) {
  const folder = temporaryFolder(t)
  const authority = makeAuthority(t)
  const write = (name: string, bytes: Buffer) => {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    return path
  }
  const [server, client] = [authority.certify(...names), authority.certify('DNS:gateway')]
  const port = await freePort()
  const files = ['--tls-cert-file', write('server.pem', server.cert), '--tls-key-file', write('server.key', server.key)]
  await startRedis(t, [
    '--tls-port',
    `${port}`,
    ...files,
    '--tls-ca-cert-file',
    authority.caFile,
    '--tls-auth-clients',
    'yes',
  ])
  const own = { cert: write('client.pem', client.cert), key: write('client.key', client.key) }
  return { port, ca: authority.caFile, own, write }
}

t.test('a wrong password, a wrong user and none at all', async (t) => {
  const { port } = await startRedis(t, ['--requirepass', 'right'])
  await requireRefusal(t, `redis://:hunter2@127.0.0.1:${port}`, /does not know this user with this password.*%40/)
  await requireRefusal(t, `redis://ana:hunter2@127.0.0.1:${port}`, /does not know this user/)
  await requireRefusal(t, `redis+cluster://:hunter2@127.0.0.1:${port}`, /does not know this user/)
  await requireRefusal(t, `redis://127.0.0.1:${port}`, /demands a password: write it into REDIS_URL/)
})

t.test('TLS at a plain port, and a Cluster that is none', async (t) => {
  const { port } = await startRedis(t)
  await requireRefusal(t, `rediss://127.0.0.1:${port}`, /does not speak TLS at this port/)
  await requireRefusal(t, `rediss+cluster://127.0.0.1:${port}`, /does not speak TLS at this port/)
  await requireRefusal(t, `redis+cluster://127.0.0.1:${port}`, /is no Cluster: write redis:\/\//)
})

t.test('an authority that nobody knows, another name, and a client without a certificate', async (t) => {
  const { port, ca, own, write } = await startTls(t, 'DNS:localhost')
  const [cert, key] = [encodeURIComponent(own.cert), encodeURIComponent(own.key)]
  await requireRefusal(
    t,
    `rediss://localhost:${port}?cert=${cert}&key=${key}`,
    /authority that is not known here.*\?ca=/,
  )
  await requireRefusal(t, `rediss://127.0.0.1:${port}?ca=${ca}&cert=${cert}&key=${key}`, /for another name/)
  await requireRefusal(t, `rediss://localhost:${port}?ca=${ca}`, /demands a certificate of its clients.*\?cert=/)
  const stranger = makeAuthority(t).certify('DNS:gateway')
  const [otherCert, otherKey] = [write('other.pem', stranger.cert), write('other.key', stranger.key)]
  await requireRefusal(
    t,
    `rediss://localhost:${port}?ca=${ca}&cert=${otherCert}&key=${otherKey}`,
    /does not take the certificate/,
  )
  await requireRefusal(t, `rediss://localhost:${port}?ca=/nowhere.pem`, /the file of ca= cannot be read \(ENOENT\)/)
  const store = await open(`rediss://localhost:${port}?ca=${ca}&cert=${cert}&key=${key}`)
  t.teardown(() => store.close())
  await t.resolves(store.ping(), 'with all of them it serves')
})

t.test('a server that shares its address hears which one is meant', async (t) => {
  const { caFile, certify } = makeAuthority(t)
  const heard: unknown[] = []
  const server = createServer(certify('DNS:localhost')).listen(0, '127.0.0.1')
  // Of who speaks: the start also tries TLS without a word.
  server.on('secureConnection', (socket) =>
    socket
      .on('error', () => undefined)
      .once('data', () => {
        heard.push(socket.servername)
        socket.write('-NOAUTH Authentication required.\r\n')
      }),
  )
  t.teardown(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  for (const scheme of ['rediss']) {
    await requireRefusal(t, `${scheme}://localhost:${port}?ca=${caFile}`, /demands a password/)
    t.equal(heard.splice(0)[0], 'localhost', scheme)
  }
})

t.test('a password with @ or / that is not percent-encoded says so; # and ? are taken as they are', (t) => {
  for (const password of ['p#ss', 'p?ss']) t.match(parseRedisUrl(`redis://:${password}@127.0.0.1:6379`), { password })
  for (const password of ['p@ss', 'p/ss', 'a@b/c#d', '#@', '/', '@']) {
    t.throws(() => parseRedisUrl(`redis://:${password}@127.0.0.1:6379`), /is percent-encoded: write @ as %40/)
    t.match(parseRedisUrl(`redis://:${encodeURIComponent(password)}@127.0.0.1:6379`), { password })
  }
  t.match(parseRedisUrl('redis+sentinel://a,b/gw?sentinelPassword=x@y'), { sentinelPassword: 'x@y' })
  t.throws(() => parseRedisUrl('redis://:p@h/x'), /its path is not a database number/, 'what is wrong elsewhere')
  t.throws(() => parseRedisUrl('rediss://h?cert=/a'), /of cert and key it has only one/)
  t.throws(() => parseRedisUrl('redis://h?ca=/a'), /an option that does not exist/)
  t.end()
})
