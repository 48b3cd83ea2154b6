// A user of Redis whose rule lacks a command: the start says which, and the whole rule, instead of the first logout.
import { Redis } from 'ioredis'
import t from 'tap'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { aclRule, clusterAclRule } from '../../../../plugins/session-store/redis/start/checks.ts'
import { permissionError } from '../../../../plugins/session-store/redis/start/permissions.ts'
import { startRedis } from '../../../support/redis/server.ts'

for (const isCluster of [false, true]) {
  const rule = (isCluster ? `${aclRule} ${clusterAclRule}` : aclRule).split(' ')

  t.test(`each command that is missing is found at start${isCluster ? ', in a Cluster too' : ''}`, async (t) => {
    const server = await startRedis(t, isCluster ? ['--cluster-enabled', 'yes'] : [])
    const connect = (url: string) => {
      const redis = new Redis(url, {
        protocol: 2,
        disableClientInfo: true,
        enableReadyCheck: false,
        retryStrategy: null,
      })
      t.teardown(() => redis.disconnect())
      return redis
    }
    const admin = connect(server.url)
    const user = connect(server.url)
    await admin.call('ACL', 'SETUSER', 'cardea', 'reset', 'on', '>x', ...rule)
    await user.call('AUTH', 'cardea', 'x')
    const problem = () => permissionError(user, 'c:alive', isCluster)
    t.equal(await problem(), undefined, 'the whole rule is enough')
    for (const word of rule.filter((one) => one.startsWith('+'))) {
      // In a Cluster that serves no slot yet no key can be made, and these are not tried.
      if (isCluster && ['+hsetnx', '+pfadd'].includes(word)) continue
      await admin.call('ACL', 'SETUSER', 'cardea', word.replace('+', '-'))
      t.match(await problem(), `needs: ${word}. Give it the whole rule: ACL SETUSER <user> ${rule.join(' ')}`, word)
      await admin.call('ACL', 'SETUSER', 'cardea', word)
    }
    await admin.call('ACL', 'SETUSER', 'cardea', 'resetkeys', '~other:*')
    t.match(await problem(), 'needs: ~c:*. Give')
    await admin.call('ACL', 'SETUSER', 'cardea', ...rule, '-@all', '+ping')
    t.match(await problem(), /\+evalsha .*\+xadd/)
    await admin.del('c:alive').catch(() => undefined)
    t.equal(await admin.dbsize(), 0, 'nothing else was written')
  })
}

t.test('a gateway whose user lacks +xadd, +pttl and +info does not start', async (t) => {
  const server = await startRedis(t)
  const admin = new Redis(server.url, { protocol: 2, disableClientInfo: true })
  t.teardown(() => admin.disconnect())
  await admin.call('ACL', 'SETUSER', 'cardea', 'reset', 'on', '>x', ...aclRule.split(' '), '-xadd', '-pttl', '-info')
  const url = server.url.replace('//', '//cardea:x@')
  await t.rejects(openRedisStore({ url, loadSubjectTag: async () => () => 'AAAAAAAA' }), {
    name: 'Error',
    message: /needs: \+info \+pttl \+xadd\. Give it the whole rule/,
  })
})
