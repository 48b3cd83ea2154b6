// Tests of what a node tells a new primary, without a failover: to which server, how often each entry, how much at once, and
// what it has forgotten by then. The same under attack is in test/behaviour/faults/redis/failover/epochs.test.ts.
import t, { type Test } from 'tap'
import { type RevocationEntry, StoreUnavailable } from '../../../../../plugins/session-store/port/store.ts'
import { parseRedisUrl } from '../../../../../plugins/session-store/redis/connection/address.ts'
import { RedisLink } from '../../../../../plugins/session-store/redis/connection/link.ts'
import {
  type ReadLogKeys,
  RecentRevocations,
} from '../../../../../plugins/session-store/redis/failover/recent-revocations.ts'
import { RedisNames } from '../../../../../plugins/session-store/redis/key-names.ts'
import { RedisRevocations } from '../../../../../plugins/session-store/redis/revocations.ts'
import { scripts } from '../../../../../plugins/session-store/redis/scripts.ts'
import { newPrefix, sharedRedis } from '../../../../support/redis/server.ts'

const url = await sharedRedis(t)
const keepLogMs = 3_600_000
const now = Date.now()
const tokens = (count: number, from = 0): RevocationEntry[] =>
  Array.from({ length: count }, (_, i) => ({ kind: 'token', jti: `token ${from + i}`, at: now + from + i }))

/** A link that notes how far each restore has to look. */
class WatchedLink extends RedisLink {
  readonly looks: number[] = []

  override async run(...[script, keys, args, deadlineMs]: Parameters<RedisLink['run']>): Promise<unknown> {
    if (script === scripts.restoreLog) {
      const reply = await this.command('XREVRANGE', [keys[0] ?? '', '+', `(${args[4]}`])
      // Boundary: XREVRANGE answers a list.
      this.looks.push((reply as unknown[]).length)
    }
    return super.run(script, keys, args, deadlineMs)
  }
}

function open(t: Test) {
  const link = new WatchedLink(parseRedisUrl(url), { deadlineMs: 5_000, commandLimit: 10_000 })
  t.teardown(() => link.close())
  const names = new RedisNames(newPrefix(), () => 'AAAAAAAA')
  const log = new RedisRevocations(link, link, names, keepLogMs, undefined)
  const recentRevocations = new RecentRevocations({ link, names, keepLogMs, clock: undefined })
  const readKeys: ReadLogKeys = (after) => log.readKeys(after)
  const written = async () => (await readKeys({ sinceMs: 0 })).keys
  const entries = async () =>
    // Boundary: as above.
    ((await link.command('XREVRANGE', [names.revocations, '+', '-'])) as unknown[]).length
  const primary = async () => /master_replid:(\w+)/.exec(String(await link.command('INFO', ['replication'])))?.[1] ?? ''
  return { link, names, recentRevocations, readKeys, written, entries, primary }
}

t.test(
  'another primary than the one meant is told nothing, and the recent revocations says that it was not told',
  async (t) => {
    const { recentRevocations, readKeys, entries } = open(t)
    recentRevocations.note(tokens(1))
    await t.rejects(recentRevocations.replay('f'.repeat(40), readKeys), StoreUnavailable)
    t.equal(await entries(), 0)
  },
)

t.test('another primary than the one meant learns nothing of changed users either', async (t) => {
  const { link, names, recentRevocations, readKeys, primary } = open(t)
  recentRevocations.noteUsers([{ sub: 'ana', revision: 2, fields: ['v', '2', 'd', '1'] }])
  await t.rejects(recentRevocations.replay('f'.repeat(40), readKeys), StoreUnavailable)
  t.equal(await link.command('EXISTS', [names.user('ana')]), 0)
  await recentRevocations.replay(await primary(), readKeys)
  t.equal(String(await link.command('HGET', [names.user('ana'), 'v'])), '2')
})

t.test('a session that ended and cannot be read there is taken away, and holds up nothing', async (t) => {
  const { link, recentRevocations, readKeys, primary, entries, names } = open(t)
  const sid = `AAAAAAAA${'0'.repeat(24)}`
  const parts = names.parts(sid)
  await link.command('HSET', [parts?.subject ?? '', parts?.field ?? '', 'another layout'])
  recentRevocations.note([{ kind: 'session', sid, sub: 'ana', at: now, reason: 'logout' }, ...tokens(1)])
  await recentRevocations.replay(await primary(), readKeys)
  t.equal(await entries(), 2)
  t.equal(await link.command('EXISTS', [parts?.subject ?? '']), 0)
})

t.test('told again, or by several nodes at once, each entry is in the log once', async (t) => {
  const { recentRevocations, readKeys, entries, primary } = open(t)
  recentRevocations.note(tokens(3))
  // It looks before any other node has told anything, and is overtaken.
  const early: ReadLogKeys = async () => ({ keys: new Set(), position: '0-0' })
  const id = await primary()
  await recentRevocations.replay(id, early)
  await recentRevocations.replay(id, early)
  await recentRevocations.replay(id, readKeys)
  t.equal(await entries(), 3)
})

t.test('a log that lacks all of it is told in batches, none of which looks through those before', async (t) => {
  const { link, recentRevocations, readKeys, entries, primary } = open(t)
  recentRevocations.note(tokens(1_700))
  await recentRevocations.replay(await primary(), readKeys)
  t.equal(await entries(), 1_700)
  t.strictSame(link.looks, [0, 0, 0, 0])
})

t.test('it forgets after two minutes, when something else was ended by then', async (t) => {
  const { recentRevocations, readKeys, written, primary } = open(t)
  const { now: real } = performance
  let later = 0
  t.intercept(performance, 'now', { value: () => real.call(performance) + later })
  recentRevocations.note(tokens(1))
  later = 110_000
  recentRevocations.note(tokens(1, 1))
  later = 125_000
  recentRevocations.note(tokens(1, 2))
  later = 600_000
  await recentRevocations.replay(await primary(), readKeys)
  t.strictSame(
    [...(await written())].map((key) => /token \d+/.exec(key)?.[0]),
    ['token 1', 'token 2'],
    'while nothing is ended, nothing is forgotten',
  )
})

t.test('it is bounded: beyond 100,000 the oldest are forgotten', async (t) => {
  const { recentRevocations, readKeys, written, primary } = open(t)
  recentRevocations.note(tokens(100_002))
  await recentRevocations.replay(await primary(), readKeys)
  const keys = await written()
  t.equal(keys.size, 100_000)
  t.notOk(keys.has(`token token 1 ${now + 1}`))
  t.ok(keys.has(`token token 2 ${now + 2}`))
})
