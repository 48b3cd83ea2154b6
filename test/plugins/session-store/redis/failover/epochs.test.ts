// Tests of what the store notes about its primaries (nodes/begin-epoch.lua), asked directly: between which times lost writes
// were made, who of several nodes counts, and how many are noted. New primaries under attack are in
// test/behaviour/faults/redis/failover/epochs.test.ts.
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../../../../plugins/session-store/port/store.ts'
import { parseRedisUrl } from '../../../../../plugins/session-store/redis/connection/address.ts'
import { RedisLink } from '../../../../../plugins/session-store/redis/connection/link.ts'
import { RedisEpochs, type RedisEpochsOptions } from '../../../../../plugins/session-store/redis/failover/epochs.ts'
import { RedisNames } from '../../../../../plugins/session-store/redis/key-names.ts'
import { scripts } from '../../../../../plugins/session-store/redis/scripts.ts'
import { RedisSessions, type RedisSessionsOptions } from '../../../../../plugins/session-store/redis/sessions.ts'
import { newPrefix, sharedRedis } from '../../../../support/redis/server.ts'

const url = await sharedRedis(t)
const windowMs = 10_000

function open(t: Test) {
  const link = new RedisLink(parseRedisUrl(url), { deadlineMs: 5_000, commandLimit: 100 })
  t.teardown(() => link.close())
  const key = `${newPrefix()}epochs`
  const begin = (now: number, ...primaries: (string | number)[]) =>
    link.run(scripts.beginEpoch, [key], [now, windowMs, 60_000, ...primaries])
  const noted = async (id: string) => String(await link.command('HGET', [key, id]))
  const count = async () => Number(((await link.command('HVALS', [key])) as unknown[]).length) // Boundary: a list.
  return { begin, noted, count }
}

t.test('of all nodes the one counts that heard the primary before last, whoever comes first', async (t) => {
  const { begin, noted } = open(t)
  t.strictSame(await begin(1_000_000, 'a', ''), [-1], 'the store was begun on it')
  t.strictSame(await begin(2_000_000, 'b', 5_000), [0])
  t.equal(await noted('b'), '2000000 1985000 2005000')
  t.strictSame(await begin(2_000_100, 'b', 1_100), [100])
  t.equal(await noted('b'), '2000000 1985000 2009000', 'one that heard it later')
  await begin(2_000_200, 'b', 9_000)
  await begin(2_000_300, 'b', '')
  t.equal(await noted('b'), '2000000 1985000 2009000', 'one that heard it earlier, or never')
  await begin(2_000_300, 'a', 10)
  t.equal(await noted('a'), '0 0 0', 'where the store was begun nothing was lost')
})

t.test('a node that knew no primary before takes the epoch to end where it begins', async (t) => {
  const { begin, noted } = open(t)
  await begin(1_000_000, 'a', '')
  await begin(2_000_000, 'b', '')
  t.equal(await noted('b'), '2000000 1990000 2000000')
})

t.test('no more than 64 primaries are noted; the one first seen longest ago is forgotten', async (t) => {
  const { begin, noted, count } = open(t)
  await begin(1_000_000, 'first', '')
  for (let i = 0; i < 70; i += 1) await begin(2_000_000 + i, `p${i}`, 100)
  t.equal(await count(), 64)
  t.equal(await noted('p69'), '2000069 1989969 2009969')
  for (const gone of ['first', 'p5']) t.equal(await noted(gone), 'null')
  t.not(await noted('p6'), 'null')
})

t.test(
  'a rotation that has to wait is not sent at the last moment, to be refused here and carried out there',
  async (t) => {
    const deadlineMs = 400
    const sent: unknown[] = []
    const waited: number[] = []
    const link = {
      deadlineMs,
      assertOpen: () => undefined,
      onReady: () => undefined,
      run: async (script: unknown) => {
        sent.push(script)
        return [Buffer.from('new_primary')]
      },
    }
    class Unprepared extends RedisEpochs {
      override untilPrepared(waitMs: number): Promise<void> {
        waited.push(waitMs)
        return Promise.reject(new StoreUnavailable('not yet'))
      }
    }
    const names = new RedisNames('c:', () => 'AAAAAAAA')
    // Boundary: only what a rotation on one server uses.
    const epochs = new Unprepared({ link } as unknown as RedisEpochsOptions)
    // Boundary: as above.
    const options = { link, epochs, names, isCluster: false } as unknown as RedisSessionsOptions
    const presented = { sid: 'AAAAAAAA000000000000000000000001', generation: 1, issuedAtSeconds: 0 }
    await t.rejects(new RedisSessions(options).rotate(presented, 0), StoreUnavailable)
    t.equal(sent.length, 1)
    t.ok(waited[0] !== undefined && waited[0] <= deadlineMs - 100, `it waits ${waited[0]} ms of ${deadlineMs}`)
  },
)
