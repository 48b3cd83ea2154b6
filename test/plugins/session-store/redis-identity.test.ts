// Tests of which store a Redis holds, where two nodes find it empty in the same moment: told step by step, with a link that
// is made up.
import t from 'tap'
import { StoreCondition } from '../../../plugins/session-store/port/condition.ts'
import { RedisGate } from '../../../plugins/session-store/redis/connection/gate.ts'
import { RedisIdentity, type RedisIdentityOptions } from '../../../plugins/session-store/redis/start/identity.ts'

/** A Redis without keys, of which the second writer comes after the first has read what it wrote. */
function emptyRedis() {
  const values = new Map<string, string>()
  const [bothHaveRead, firstHasWritten] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let [gets, sets] = [0, 0]
  const command = async (name: string, args: readonly unknown[]) => {
    const [key = '', value = '', condition] = args.map(String)
    if (name === 'HGETALL') return []
    if (name === 'SET') {
      sets += 1
      const isFirst = sets === 1
      await (isFirst ? bothHaveRead : firstHasWritten).promise
      if (condition !== 'NX' || !values.has(key)) values.set(key, value)
      return 'OK'
    }
    gets += 1
    if (gets === 2) bothHaveRead.resolve()
    if (gets === 3) firstHasWritten.resolve()
    return values.get(key) ?? null
  }
  // Boundary: of a link it uses no more than this.
  return { deadlineMs: 100, command, client: {} } as unknown as RedisIdentityOptions['link']
}

t.test('nodes that find a Redis empty together agree on which store it is', async (t) => {
  const link = emptyRedis()
  const nodes = ['one', 'other'].map(() => {
    const condition = new StoreCondition()
    const told: string[] = []
    condition.onNews(({ kind }) => told.push(kind))
    const names = { store: 'store', keys: 'keys' }
    const loadSubjectTag = async () => (sub: string) => sub
    const gate = new RedisGate()
    const identity = new RedisIdentity({ link, names, gate, condition, loadSubjectTag, onSubjectTag: () => undefined })
    return { identity, told }
  })
  await Promise.all(nodes.map(({ identity }) => identity.start()))
  for (const { identity } of nodes) await identity.look(false)
  t.strictSame(
    nodes.map(({ told }) => told),
    [[], []],
  )
})
