// Signing keys over time: made, published, active, past, removed; on one node and on two that share a store.
import { createPublicKey } from 'node:crypto'
import t from 'tap'
import {
  generateKey,
  type KeyMaterial,
  readKey,
  type SigningAlgorithm,
} from '../../../plugins/access-tokens/key-material.ts'
import {
  jwksMaxAgeSeconds,
  reloadEverySeconds,
  type Signer,
  SigningKeys,
  type SigningKeysOptions,
} from '../../../plugins/access-tokens/signing-keys.ts'
import { sealKey } from '../../../plugins/keys/sealed-key.ts'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { Clock } from '../../support/clock.ts'
import { MemoryKeys } from './memory-keys.ts'

const secrets = deriveSecrets(['the first secret of 32 characters or more'])
const daySeconds = 86_400
const startMs = Date.UTC(2026, 0, 1)

interface Node {
  keys: SigningKeys
  failures: unknown[]
  made: string[]
  opened: string[]
  closed: string[]
}

interface Bench {
  store: MemoryKeys
  time: Clock
  node(changes?: Partial<SigningKeysOptions>): Promise<Node>
}

function bench(): Bench {
  const store = new MemoryKeys()
  const time = new Clock(startMs)
  const node = async (changes: Partial<SigningKeysOptions> = {}): Promise<Node> => {
    const told: Omit<Node, 'keys'> = { failures: [], made: [], opened: [], closed: [] }
    const keys = await SigningKeys.open({
      store,
      secrets,
      alg: 'ES256',
      rotateEverySeconds: daySeconds,
      keepForSeconds: 300,
      clock: time.now,
      openSigner: async ({ kid }: KeyMaterial): Promise<Signer> => {
        told.opened.push(kid)
        return { sign: () => kid, verify: () => ({}), close: async () => void told.closed.push(kid) }
      },
      onMade: ({ kid }) => told.made.push(kid),
      onFailure: (error) => told.failures.push(error),
      ...changes,
    })
    return { keys, ...told }
  }
  return { store, time, node }
}

t.test('the first start makes one key that signs at once, and the next start finds it', async (t) => {
  const { store, node } = bench()
  const first = await node()
  t.equal(store.rows.size, 1)
  const { kid, alg, activeFrom } = first.keys.current()
  t.match({ alg, activeFrom }, { alg: 'ES256', activeFrom: startMs })
  const second = await node()
  t.equal(second.keys.current().kid, kid)
  t.same(second.made, [])
})

t.test('no key is in the store in clear', async (t) => {
  const { store, node } = bench()
  const { keys } = await node()
  const dump = JSON.stringify([...store.rows.values()])
  for (const [name, value] of Object.entries(keys.jwks().keys[0] ?? {})) {
    if (name === 'x' || name === 'y') t.notOk(dump.includes(value), 'not even its public half')
  }
  t.match([...store.rows.values()], [{ sealed: /^[A-Za-z0-9_-]{100,}$/ }])
})

t.test(
  'the next key is published before it signs, and the old one is kept until its last token has expired',
  async (t) => {
    const { store, time, node } = bench()
    const { keys } = await node()
    const old = keys.current().kid
    const kids = () => keys.jwks().keys.map((key) => key.kid)
    const at = async (seconds: number) => {
      time.nowMs = startMs + seconds * 1000
      await keys.refresh()
    }
    const overlapSeconds = jwksMaxAgeSeconds + reloadEverySeconds

    await at(daySeconds - overlapSeconds - 1)
    t.same(kids(), [old], 'too early for a successor')
    await at(daySeconds - overlapSeconds)
    t.equal(kids().length, 2, 'published')
    t.equal(keys.current().kid, old, 'and not used')
    time.nowMs = startMs + daySeconds * 1000 - 1
    t.equal(keys.current().kid, old)
    time.nowMs += 1
    t.not(keys.current().kid, old, 'in use at the exact moment, with no read of the store')
    await at(daySeconds + 300 + reloadEverySeconds - 1)
    t.ok(keys.find(old), 'what it signed is still verified')
    await at(daySeconds + 300 + reloadEverySeconds)
    t.equal(keys.find(old), undefined)
    t.notOk(store.rows.has(old), 'removed from the store too')
    t.equal(kids().length, 1)
  },
)

t.test('an access token that lives longer than the JWKS is kept lengthens the overlap', async (t) => {
  const { time, node } = bench()
  const { keys } = await node({ keepForSeconds: 3_600 })
  const { activeFrom } = await keys.rotate()
  t.equal(activeFrom, time.nowMs + (3_600 + reloadEverySeconds) * 1000)
})

t.test(
  'over a week and on two nodes every signing key was known to the other node and to outside caches',
  async (t) => {
    const { store, time, node } = bench()
    const nodes = [await node(), await node()]
    // An outside service that keeps the JWKS for as long as it may, each time from the node that is read last.
    let cached = { keys: new Set<string>(), readAtMs: Number.NEGATIVE_INFINITY }
    let signedBefore: { kid: string; untilMs: number }[] = []
    const signers = new Set<string>()
    for (let second = 0; second < 7 * daySeconds; second += 30) {
      time.nowMs = startMs + second * 1000
      // Both read once a minute, half a minute apart.
      await nodes[(second / 30) % 2]?.keys.refresh()
      if (time.nowMs - cached.readAtMs >= jwksMaxAgeSeconds * 1000) {
        const { keys = [] } = nodes[(second / 300) % 2]?.keys.jwks() ?? {}
        cached = { keys: new Set(keys.map(({ kid }) => kid)), readAtMs: time.nowMs }
      }
      const [kid = '', kidOfOther = ''] = nodes.map(({ keys }) => keys.current().kid)
      if (kid !== kidOfOther) t.fail('two nodes sign with different keys')
      if (!cached.keys.has(kid)) t.fail(`a key is used that caches do not hold, at ${second} s`)
      signers.add(kid)
      signedBefore = [
        ...signedBefore.filter(({ untilMs }) => untilMs > time.nowMs),
        { kid, untilMs: time.nowMs + 300_000 },
      ]
      for (const { keys } of nodes) {
        if (!signedBefore.every((token) => keys.find(token.kid))) t.fail(`a token alive is refused at ${second} s`)
      }
    }
    t.equal(signers.size, 7, 'a key a day')
    t.equal(nodes[0] && nodes[1] && nodes[0].made.length + nodes[1].made.length, 8, 'made once each, not once a node')
    t.ok(store.rows.size <= 2)
  },
)

t.test('nodes whose rotation falls due at the same moment make one key', async (t) => {
  const { store, time, node } = bench()
  const first = await node()
  const nodes = [first, await node(), await node(), await node()]
  time.nowMs += daySeconds * 1000
  await Promise.all(nodes.map(({ keys }) => keys.refresh()))
  t.equal(store.rows.size, 2)
  t.equal(nodes.flatMap(({ made }) => made).length, 2, 'the first one and its successor')
})

t.test('rotate publishes a key at once; asked again while it is on its way, it names the same key', async (t) => {
  const { time, node } = bench()
  const { keys } = await node()
  const old = keys.current().kid
  const next = await keys.rotate()
  t.not(next.kid, old)
  t.equal(next.activeFrom, time.nowMs + (jwksMaxAgeSeconds + reloadEverySeconds) * 1000)
  t.same(await keys.rotate(), next)
  t.equal(keys.jwks().keys.length, 2)
  t.equal(keys.current().kid, old)
  time.nowMs = next.activeFrom
  t.equal(keys.current().kid, next.kid)
})

t.test('rotate immediately removes every other key, on other nodes at their next reading', async (t) => {
  const { store, time, node } = bench()
  const here = await node()
  const there = await node()
  const leaked = here.keys.current()
  await here.keys.rotate()
  const { kid, activeFrom } = await here.keys.rotate({ immediately: true })
  t.equal(activeFrom, time.nowMs)
  t.equal(here.keys.current().kid, kid)
  t.equal(here.keys.find(leaked.kid), undefined)
  t.equal(leaked.isLive, false, 'what is cached of it dies too')
  t.equal(here.closed.length, 2, 'its signer is closed, and that of the one on its way')
  t.same([...store.rows.keys()], [kid])
  await there.keys.refresh()
  t.equal(there.keys.find(leaked.kid), undefined)
  t.ok(there.keys.find(kid))
})

t.test('an unknown kid is refused at once, and read up at most once a second', async (t) => {
  const { store, time, node } = bench()
  const here = await node()
  const there = await node()
  const { kid } = await there.keys.rotate()
  const before = store.lists
  t.equal(here.keys.find(kid), undefined, 'refused, not waited for')
  for (let i = 0; i < 1_000; i++) here.keys.find(`made up ${i}`)
  await settled()
  t.ok(here.keys.find(kid), 'known soon after')
  t.equal(store.lists, before + 1, 'one reading for all of them')
  time.nowMs += 999
  here.keys.find('made up')
  await settled()
  t.equal(store.lists, before + 1)
  time.nowMs += 1
  here.keys.find('made up')
  await settled()
  t.equal(store.lists, before + 2)
})

// The store in memory answers within the same turn of the event loop.
const settled = () => new Promise((resolve) => setImmediate(resolve))

t.test('kids are looked up in the keys and in nothing else', async (t) => {
  const { keys } = await bench().node()
  for (const kid of ['__proto__', 'constructor', 'toString', 'has', '', '../../etc/passwd', 'x'.repeat(6_000)]) {
    t.equal(keys.find(kid), undefined, kid.slice(0, 20))
  }
})

t.test('a store that is away changes nothing: the known keys go on, and it is told', async (t) => {
  const { store, time, node } = bench()
  const { keys, failures } = await node()
  const { kid } = keys.current()
  store.away = true
  time.nowMs += 2 * daySeconds * 1000
  await keys.refresh()
  t.equal(failures.length, 1)
  t.equal(keys.current().kid, kid)
  await t.rejects(keys.rotate(), { name: 'StoreUnavailable' })
  store.away = false
  await keys.refresh()
  t.equal(keys.jwks().keys.length, 2, 'it is made up for')
})

t.test('a change of algorithm takes over like any other rotation', async (t) => {
  const { time, node } = bench()
  const before = await node({ alg: 'ES256' })
  const { kid } = before.keys.current()
  const { keys } = await node({ alg: 'EdDSA' })
  t.equal(keys.current().kid, kid)
  t.same(
    keys.jwks().keys.map(({ alg }) => alg),
    ['ES256', 'EdDSA'],
  )
  time.nowMs += (jwksMaxAgeSeconds + reloadEverySeconds) * 1000
  t.equal(keys.current().alg, 'EdDSA')
  t.ok(keys.find(kid), 'what the old one signed is still verified')
})

t.test('changes at the same time take turns, so each key is opened once', async (t) => {
  const { node } = bench()
  const [here, there] = [await node(), await node()]
  await there.keys.rotate()
  here.keys.find('unknown')
  await Promise.all([here.keys.refresh(), here.keys.refresh(), here.keys.rotate(), here.keys.refresh()])
  t.equal(here.opened.length, 2)
  t.equal(new Set(here.opened).size, 2)
})

t.test('a schedule shorter than the overlap does not pile up keys', async (t) => {
  const { store, time, node } = bench()
  const { keys } = await node({ rotateEverySeconds: 1 })
  for (let minute = 0; minute < 60; minute++) {
    time.nowMs += 60_000
    await keys.refresh()
    if (store.rows.size > 3) t.fail(`${store.rows.size} keys`)
  }
  t.not(keys.current().activeFrom, startMs, 'and keys do change')
})

t.test('a clock that was set back does not leave the gateway without a key', async (t) => {
  const { time, node } = bench()
  const { keys } = await node()
  time.nowMs -= daySeconds * 1000
  t.ok(keys.current())
  await keys.refresh()
  t.equal(keys.current().activeFrom, time.nowMs)
})

t.test('keys under an older secret are read, and sealed anew at start', async (t) => {
  const { store, node } = bench()
  const { kid } = (await node()).keys.current()
  const [newer] = deriveSecrets(['the second secret of 32 characters or more'])
  t.ok(newer)
  if (!newer) return
  t.equal((await node({ secrets: [newer, ...secrets] })).keys.current().kid, kid)
  t.equal((await node({ secrets: [newer] })).keys.current().kid, kid, 'the old secret is not needed any more')
  await t.rejects(node(), /signing key .* \(ES256\) opens with none of the secrets of CARDEA_SECRET/)
  t.equal(store.rows.size, 1, 'and the key is left as it was')
})

t.test('while running, a key that does not open is told and left out', async (t) => {
  const { store, time, node } = bench()
  const { keys, failures } = await node()
  const name = { id: 'theirs', use: 'signing', alg: 'ES256', createdAt: 0, activeFrom: time.nowMs } as const
  const theirs = deriveSecrets(['a secret that this node was not given'])
  await store.add(sealKey(name, await generateKey('ES256'), theirs))
  await store.add(sealKey({ ...name, id: 'odd', alg: 'ES512' }, await generateKey('ES256'), secrets))
  await keys.refresh()
  t.equal(failures.length, 2)
  t.match(failures, [{ message: /CARDEA_SECRET/ }, { message: /ES512/ }])
  t.equal(keys.jwks().keys.length, 1)
})

t.test('a key that was altered, or moved to another id or algorithm, stops the start', async (t) => {
  for (const change of [{ alg: 'HS256' }, { id: 'another' }, { sealed: 'AAAA' }, { sealed: '' }]) {
    const { store, node } = bench()
    await node()
    const [row] = store.rows.values()
    if (row) store.rows.set(row.id, { ...row, ...change })
    await t.rejects(node(), /CARDEA_SECRET/, JSON.stringify(change))
  }
})

t.test('each algorithm has a key of its kind and size, and publishes public members only', async (t) => {
  const kinds: [SigningAlgorithm, string, object][] = [
    ['ES256', 'ec', { namedCurve: 'prime256v1' }],
    ['EdDSA', 'ed25519', {}],
    ['RS256', 'rsa', { modulusLength: 3072 }],
    ['PS256', 'rsa', { modulusLength: 3072 }],
  ]
  for (const [alg, kind, details] of kinds) {
    const { publicJwk } = readKey(await generateKey(alg), alg, 'a')
    t.match(publicJwk, { kid: 'a', alg, use: 'sig' })
    const members = Object.keys(publicJwk ?? {}).sort()
    t.same(
      members.filter((name) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'].includes(name)),
      [],
    )
    const key = createPublicKey({ key: { ...publicJwk }, format: 'jwk' })
    t.equal(key.asymmetricKeyType, kind)
    t.match(key.asymmetricKeyDetails, details)
  }
  t.equal(readKey(await generateKey('HS256'), 'HS256', 'a').publicJwk, undefined, 'HS256 publishes nothing')
})

t.test('a key of another kind, or too small, is refused', async (t) => {
  const rsa = await generateKey('RS256')
  const { generateKeyPairSync } = await import('node:crypto')
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'der' })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ type: 'pkcs8', format: 'der' })
  const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export({
    type: 'pkcs8',
    format: 'der',
  })
  t.throws(() => readKey(small, 'RS256', 'a'), /not a key for RS256/)
  t.throws(() => readKey(rsa, 'ES256', 'a'), /not a key for ES256/)
  t.throws(() => readKey(p384, 'ES256', 'a'), /not a key for ES256/)
  t.throws(() => readKey(koblitz, 'ES256', 'a'), /not a key for ES256/)
  t.throws(() => readKey(p384, 'EdDSA', 'a'), /not a key for EdDSA/)
  t.throws(() => readKey(Buffer.alloc(31, 1), 'HS256', 'a'), /shorter than HS256/)
  t.throws(() => readKey(Buffer.alloc(0), 'HS256', 'a'), /shorter than HS256/)
})

t.test('after close nothing verifies and the signers are closed', async (t) => {
  const { keys, closed } = await bench().node()
  const { kid } = keys.current()
  await keys.close()
  t.same(closed, [kid])
  t.throws(() => keys.current(), { name: 'StoreUnavailable' })
})

t.test(
  'a key that was revoked and comes back, by a store that lost the removal, stops no node and is removed again',
  async (t) => {
    const { store, node } = bench()
    const one = await node()
    const other = await node()
    const leaked = one.keys.current().kid
    const row = store.rows.get(leaked)
    await one.keys.revoke(leaked)
    other.keys.drop(leaked)
    // The failover: the store is as it was before.
    store.rows.clear()
    if (row) store.rows.set(leaked, row)
    one.keys.drop(leaked)
    other.keys.drop(leaked)
    for (const { keys } of [one, other]) {
      await keys.refresh()
      t.not(keys.current().kid, leaked, 'it signs with another key')
      t.equal(keys.find(leaked), undefined)
    }
    t.notOk(store.rows.has(leaked), 'whoever starts now does not find it')
  },
)
