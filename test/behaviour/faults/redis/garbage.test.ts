// Tests of what no gateway of this version wrote into Redis, among the keys: a sentence and an alarm, never a stack; passed
// over where that is safe, refused where it is not.
import t, { type Test } from 'tap'
import { deriveSecrets } from '../../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey, subjectTagKeyId } from '../../../../plugins/keys/subject-tag.ts'
import type { KeyStore, SealedKey } from '../../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { subjectTag } from '../../../../plugins/session-store/refresh-token.ts'
import { eventually } from '../../../support/eventually.ts'
import { startRedis } from '../../../support/redis/server.ts'
import { send } from '../../../support/redis/topology.ts'

const secrets = deriveSecrets(['a secret of the test, long enough'])

async function openNode(t: Test, url: string) {
  let tag: (sub: string) => string = () => ''
  const loadSubjectTag = async (keys: KeyStore) => {
    const key = await loadSubjectTagKey(keys, secrets)
    tag = (sub) => subjectTag(sub, key)
    return tag
  }
  const store = await openRedisStore({ url, loadSubjectTag, lookEveryMs: 50, deadlineMs: 10_000 })
  t.teardown(() => store.close())
  const alarms: string[] = []
  store.condition.onNews(({ kind, sentence }) => kind === 'alarm' && alarms.push(sentence))
  return { store, alarms, tag: (sub: string) => tag(sub) }
}

const good: SealedKey = { id: 'good', use: 'signing', alg: 'ES256', createdAt: 1, activeFrom: 2, sealed: 'abc' }
const documented = { id: 'bad', use: 'signing', alg: 'ES256', createdAt: 1, activeFrom: 2 }
const garbage = [
  '',
  'garbage',
  '{',
  '{}',
  '{}\n',
  'null\nabc',
  '[1]\nabc',
  '7\nabc',
  JSON.stringify(documented),
  `${JSON.stringify({ ...documented, id: 'good' })}\nabc`,
  `${JSON.stringify({ ...documented, use: 'sealing' })}\nabc`,
  `${JSON.stringify({ ...documented, activeFrom: 'soon' })}\nabc`,
  `${JSON.stringify({ ...documented, alg: null })}\nabc`,
]

t.test('a garbage entry among the keys is passed over, with a sentence, an alarm and a word in /readyz', async (t) => {
  const server = await startRedis(t)
  const first = await openNode(t, server.url)
  await first.store.keys.add(good)
  for (const text of garbage) {
    await send(server, ['HSET', 'c:keys', 'bad', text])
    await eventually(`it is noticed: ${text}`, () => first.store.condition.topics.includes('keys_unreadable'))
    t.match(first.alarms.splice(0), [/c:keys.*"bad".*HDEL/])
    t.strictSame((await first.store.keys.list()).map(({ id }) => id).sort(), ['good', subjectTagKeyId])
    const { store } = await openNode(t, server.url)
    t.strictSame((await store.keys.list()).length, 2, 'a start passes it over too')
    await store.close()
    await send(server, ['HDEL', 'c:keys', 'bad'])
    await eventually('that it is over is noticed', () => first.store.condition.topics.length === 0)
  }
})

t.test(
  'a key of subjects’ tags that cannot be read is a refusal with a sentence, at start and while running',
  async (t) => {
    const server = await startRedis(t)
    const { store } = await openNode(t, server.url)
    await send(server, ['HSET', 'c:keys', subjectTagKeyId, '{garbage'])
    await t.rejects(openNode(t, server.url), { name: 'Error', message: /key of subjects’ tags.*c:keys.*restore it/ })
    await eventually('the running one refuses', () => store.condition.topics.includes('store_unreadable'))
    await t.rejects(store.users.find('ana'), { name: 'StoreUnavailable', message: /key of subjects’ tags/ })
  },
)

t.test(
  'a session of another layout is refused with a sentence, and its subject signs in, lists and ends all the same',
  async (t) => {
    const server = await startRedis(t)
    const { store, tag } = await openNode(t, server.url)
    await store.users.add({ sub: 'ana', passwordHash: 'x', roles: [], scope: '' })
    const lives = { idleTtlSeconds: 3600, absoluteTtlSeconds: 7200, maxSessions: 100, userRevision: 1 }
    // 18 bytes that are text: the field of the session in its subject's hash.
    const fieldOf = (number: number) => `the session no. ${number} `
    const begin = async (number: number) => {
      const sid = `${tag('ana')}${Buffer.from(fieldOf(number)).toString('base64url')}`
      const more = { roles: [], scope: '', device: '', ip: '192.0.2.7', amr: ['pwd'] }
      await store.sessions.create({ sid, sub: 'ana', ...lives, ...more })
      return sid
    }
    const rotate = (sid: string) => store.sessions.rotate({ sid, generation: 1, issuedAtSeconds: 1 }, 0)
    const key = `c:{${tag('ana')}}`
    const damages = [
      ['HDEL', key, '0'],
      ['HSET', key, fieldOf(2), 'another layout'],
      ['HSET', key, fieldOf(3), 'x'.repeat(36)],
    ]
    const alarms: string[] = []
    store.condition.onNews(({ kind, sentence }) => void (kind === 'alarm' && alarms.push(sentence)))
    for (const [index, damage] of damages.entries()) {
      const sid = await begin(index + 1)
      await send(server, damage)
      const { sessions } = store
      const verbs: (() => Promise<unknown>)[] = [() => rotate(sid), () => sessions.read(sid)]
      const problem = { name: 'StoreUnavailable', message: /in a layout that this version of Cardea does not know/ }
      for (const verb of verbs) await t.rejects(verb(), problem)
      t.equal(alarms.length, 1, 'an alarm, and one a minute for one subject')
      t.ok(alarms[0]?.includes(key))
      await t.resolves(sessions.markDelivered([{ sid, generation: 1 }]))
      const other = await begin(5 + index)
      t.match(await rotate(other), { outcome: 'rotated' })
      const listed = await sessions.list('ana')
      t.strictSame(
        listed.map((one) => one.sid),
        [other],
      )
      t.equal((await sessions.endAll('ana', 'revoked_by_admin')).revocations.length, 1)
      t.strictSame(await sessions.end(sid, 'logout'), { revocations: [] }, 'ending it works, and takes it away')
      t.match(await rotate(sid), { outcome: 'unknown' })
    }
  },
)
