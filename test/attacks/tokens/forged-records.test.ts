// Somebody who can write to Redis, and has no key of the gateway's: makes rights up in user records and sessions. What a gateway
// did not write it refuses, and says so by an alarm. What such a writer can do all the same is in docs/threat-model.md.
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { sealKeyOf } from '../../../plugins/keys/record-seal.ts'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey, subjectTagOf } from '../../../plugins/keys/subject-tag.ts'
import type { StoreNews } from '../../../plugins/session-store/port/condition.ts'
import type { KeyStore, Session, Store } from '../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../plugins/session-store/redis/index.ts'
import { opener } from '../../plugins/revocation/nodes.ts'
import { ContractScene, tokenOf } from '../../plugins/session-store/contract/scene.ts'
import { Clock } from '../../support/clock.ts'
import { password, startGateway } from '../../support/gateway.ts'
import { newPrefix, sharedRedis } from '../../support/redis/server.ts'

const url = await sharedRedis(t)
const clock = new Clock()
const tagOf = () => 'AAAAAAAA'
const storeKey = Buffer.alloc(32, 7)
const sealed = Object.assign(tagOf, { sealKey: sealKeyOf(storeKey) })
const user = { passwordHash: `$argon2id$${'h'.repeat(80)}`, roles: ['reader'], scope: 'orders:read' }

interface Writing {
  store: Store
  scene: ContractScene
  redis: Redis
  prefix: string
  news: StoreNews[]
}

async function openWriting(t: Test): Promise<Writing> {
  const prefix = newPrefix()
  const options = { url, prefix, clock: clock.now, deadlineMs: 10_000 }
  const store = await openRedisStore({ ...options, loadSubjectTag: async () => sealed })
  const redis = new Redis(url)
  const news: StoreNews[] = []
  store.condition.onNews((one) => news.push(one))
  t.teardown(() => {
    redis.disconnect()
    return store.close()
  })
  for (const sub of ['ana', 'bo']) await store.users.add({ sub, ...user })
  return { store, scene: new ContractScene(store, clock), redis, prefix, news }
}

const forgeries: [title: string, fields: Record<string, string>][] = [
  ['its roles', { r: '["admin"]' }],
  ['its scope', { s: 'everything' }],
  ['its password', { p: user.passwordHash.slice(0, 63).concat('x') }],
  ['the end of its password', { q: 'x' }],
  ['its revision', { v: '2' }],
  ['that it is disabled', { d: '1' }],
  ['its seal', { m: '' }],
  ['its seal, cut', { m: 'AAAA' }],
  ['where one field ends and the next begins', { p: user.passwordHash.slice(0, 63), q: user.passwordHash.slice(63) }],
]

for (const [title, fields] of forgeries) {
  t.test(`a user record of which somebody wrote ${title} is refused, with an alarm`, async (t) => {
    const { store, redis, prefix, news } = await openWriting(t)
    await redis.hset(`${prefix}{AAAAAAAA}:ana`, fields)
    t.equal(await store.users.find('ana'), undefined)
    t.equal(await store.users.change('ana', { roles: ['reader'] }), false, 'and is not sealed by a change of the rest')
    await store.users.rehash('ana', user.passwordHash, 'new')
    t.equal(await store.users.find('ana'), undefined)
    t.strictSame(
      (await store.users.list('', 10)).map(({ sub }) => sub),
      ['bo'],
      'the others are there',
    )
    t.match(news, [{ kind: 'forged', sentence: /:ana was not written by a gateway/ }], 'once a minute')
  })
}

t.test('the record of one user is no record of another, nor of the same name elsewhere', async (t) => {
  const { store, redis, prefix } = await openWriting(t)
  await store.users.add({ sub: 'root', ...user, roles: ['admin'] })
  const elsewhere = await openWriting(t)
  const record = await redis.hgetall(`${prefix}{AAAAAAAA}:root`)
  await redis.hset(`${prefix}{AAAAAAAA}:ana`, record)
  await redis.hset(`${elsewhere.prefix}{AAAAAAAA}:root`, record)
  t.match(await store.users.find('root'), { roles: ['admin'] })
  t.equal(await store.users.find('ana'), undefined)
  t.equal(await elsewhere.store.users.find('root'), undefined)
})

/** The fields of a subject's hash: of each session its state, and the pieces of its details. */
async function fieldsOf({ redis, prefix }: Writing): Promise<[name: Buffer, value: Buffer][]> {
  const flat = Object.entries(await redis.hgetallBuffer(`${prefix}{AAAAAAAA}`))
  return flat.map(([name, value]) => [Buffer.from(name, 'latin1'), value])
}

async function assertRefused(t: Test, { scene, store, news }: Writing, session: Session): Promise<void> {
  const before = news.length
  t.strictSame(await store.sessions.rotate(tokenOf(session), 0), { outcome: 'unknown' })
  t.equal(await scene.read(session), undefined)
  t.notOk((await store.sessions.list('ana')).some(({ sid }) => sid === session.sid))
  t.match(news.slice(before), [{ kind: 'forged', sentence: new RegExp(session.sid) }])
}

t.test('not a byte of what is constant in a session can be changed: rights, device, revision', async (t) => {
  const writing = await openWriting(t)
  const session = await writing.scene.login({ roles: ['reader'], scope: 'orders:read' })
  const details = (await fieldsOf(writing)).filter(([name]) => name.length !== 18)
  const key = `${writing.prefix}{AAAAAAAA}`
  for (const [name, value] of details) {
    // Behind the subject: a record of another subject is not of this one's at all.
    for (let at = name.toString() === '0' ? 4 : 0; at < value.length; at += 1) {
      const changed = Buffer.from(value)
      changed[at] = (changed[at] ?? 0) ^ 1
      await writing.redis.hset(key, name, changed)
      const listed = await writing.store.sessions.list('ana').catch(() => [])
      t.strictSame(listed, [], `byte ${at} of piece ${name}`)
    }
    await writing.redis.hset(key, name, value)
  }
  t.match(await writing.store.sessions.rotate(tokenOf(session), 0), { outcome: 'rotated' }, 'as it was it is right')
})

t.test('nor can how long it may be idle or live, and a forged session can still be ended', async (t) => {
  const writing = await openWriting(t)
  const key = `${writing.prefix}{AAAAAAAA}`
  // Places of sessions/session.lua: absolute expiry 12, idle time-to-live 16.
  for (const place of [12, 16]) {
    const session = await writing.scene.login()
    const [name, state] = (await fieldsOf(writing)).find(([field]) => field.length === 18) ?? []
    if (!state) throw new Error('no session')
    const changed = Buffer.from(state)
    changed.writeUInt32BE(changed.readUInt32BE(place) + 1_000_000, place)
    await writing.redis.hset(key, Buffer.from(session.sid.slice(8), 'base64url'), changed)
    t.ok(name)
    await assertRefused(t, writing, session)
    const { revocations } = await writing.store.sessions.end(session.sid, 'logout')
    t.match(revocations, [{ sid: session.sid }])
  }
})

t.test('a session moved to another sid is nobody’s', async (t) => {
  const writing = await openWriting(t)
  const session = await writing.scene.login()
  const state = await writing.redis.hgetBuffer(
    `${writing.prefix}{AAAAAAAA}`,
    Buffer.from(session.sid.slice(8), 'base64url'),
  )
  const sid = `AAAAAAAA${'z'.repeat(24)}`
  await writing.redis.hset(`${writing.prefix}{AAAAAAAA}`, Buffer.from(sid.slice(8), 'base64url'), state ?? '')
  await assertRefused(t, writing, { ...session, sid })
})

t.test('another CARDEA_SECRET touches no record', async (t) => {
  const prefix = newPrefix()
  const open = (secrets: string[]) =>
    openRedisStore({
      url,
      prefix,
      clock: clock.now,
      deadlineMs: 10_000,
      loadSubjectTag: async (keys: KeyStore) => subjectTagOf(await loadSubjectTagKey(keys, deriveSecrets(secrets))),
    })
  const [older, newer] = ['the older secret of 32 characters', 'the newer secret of 32 characters']
  const before = await open([older])
  t.teardown(() => before.close())
  await before.users.add({ sub: 'ana', ...user })
  const after = await open([newer, older])
  t.teardown(() => after.close())
  const last = await open([newer])
  t.teardown(() => last.close())
  for (const store of [before, after, last]) t.match(await store.users.find('ana'), user)
})

t.test('through a gateway: forged roles give no sign-in, a longer life no refresh, and both are alarms', async (t) => {
  const prefix = newPrefix()
  const redis = new Redis(url)
  t.teardown(() => redis.disconnect())
  const gateway = await startGateway(t, { clock, openStore: opener(url, prefix) })
  const tokens = await gateway.signIn()
  const refresh = () =>
    gateway.post('/auth/token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
  const subject = `${prefix}{${tokens.session_id.slice(0, 8)}}`
  const field = Buffer.from(tokens.session_id.slice(8), 'base64url')
  const state = Buffer.from((await redis.hgetBuffer(subject, field)) ?? '')
  // Later by the same: the beginning and the end.
  const later = 1_000
  state.writeUIntBE(state.readUIntBE(6, 6) + later * 1000, 6, 6)
  state.writeUInt32BE(state.readUInt32BE(12) + later, 12)
  await redis.hset(subject, field, state)
  t.match([(await refresh()).statusCode, gateway.events('record_forged')], [400, [{ sid: tokens.session_id }]])

  await redis.hset(`${subject}:alice`, 'r', '["admin"]')
  t.equal((await gateway.post('/auth/login', { username: 'alice', password })).statusCode, 401)
  t.match(gateway.events('record_forged').at(-1), { granted: false, detail: /alice/ })
})
