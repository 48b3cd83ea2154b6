// Tests of what knowing costs: no store call on a forwarded request, and memory that is bounded by what is still needed.
import t from 'tap'
import { RevocationList } from '../../../plugins/revocation/list.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import type { Store } from '../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../support/clock.ts'
import { bearer, startGateway } from '../../support/gateway.ts'
import { startStreamingUpstream } from '../../support/upstream.ts'

/** A store that counts the calls of its verbs by name. */
function counted(store: Store, counts: Map<string, number>): Store {
  const countIn = <Part extends object>(part: Part, name: string): Part =>
    new Proxy(part, {
      get: (target, verb) => {
        const member: unknown = Reflect.get(target, verb)
        if (typeof member !== 'function') {
          return typeof member === 'object' && member !== null ? countIn(member, `${String(verb)}.`) : member
        }
        return (...args: unknown[]) => {
          const key = name + String(verb)
          counts.set(key, (counts.get(key) ?? 0) + 1)
          return Reflect.apply(member, target, args)
        }
      },
    })
  return countIn(store, '')
}

t.test('a forwarded request makes no store call: two hundred make as many as one', async (t) => {
  const counts = new Map<string, number>()
  const service = await startStreamingUpstream((_request, response) => void response.end('ok'))
  t.teardown(() => service.close())
  const { app, signIn } = await startGateway(t, {
    openStore: async (clock: Clock) => counted(openEmbeddedStore({ file: ':memory:', clock: clock.now }), counts),
    config: { routes: [{ prefix: '/svc', upstream: service.url, policy: { roles: ['user'] } }] },
  })
  const headers = bearer(await signIn())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const forward = async () => t.equal((await fetch(`${url}/svc/x`, { headers })).status, 200)
  await forward()
  await app.delivery.flush()
  counts.clear()
  for (let i = 0; i < 200; i += 1) await forward()
  await app.delivery.flush()
  // What nodes do by the clock, whoever asks for what: the follower's next look, events written, a sign of life.
  const byTheClock = /readRevocations|^now|^events\.|^ping/
  t.strictSame(
    [...counts.keys()].filter((verb) => !byTheClock.test(verb)),
    [],
  )
})

t.test('the list holds what is still needed and nothing else, however much passes through it', async (t) => {
  let at = 0
  const list = new RevocationList(60_000, () => at)
  for (let second = 0; second < 600; second += 1) {
    at = second * 1000
    for (let i = 0; i < 100; i += 1) {
      list.add({ kind: 'session', sid: `${second}.${i}`, sub: 'ana', at, reason: 'logout' })
      list.add({ kind: 'token', jti: `${second}.${i}`, at })
    }
    list.forgetExpired()
    if (list.size > 61 * 200) t.fail(`${list.size} entries after ${second} s`)
  }
  t.equal(list.size, 61 * 200)
})
