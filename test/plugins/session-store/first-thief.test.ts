// The thief who copies one refresh token and refreshes before the owner each time, at every setting, on both stores: the two never
// share a generation, so one of them comes back with a token that the other has gone on from.
import t, { type Test } from 'tap'
import type { Config } from '../../../src/config/index.ts'
import { bearer, startGateway, type TestGateway, type Tokens } from '../../support/gateway.ts'
import { bothStores } from '../../support/stores.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const upstream = await startFakeUpstream()
t.teardown(() => upstream.close())
const routes: Config['routes'] = [{ prefix: '/orders', upstream: upstream.url, policy: 'authenticated' }]
const [second, minute] = [1000, 60_000]

const settings = {
  'the default grace': {},
  'no grace': { graceMs: 0 },
  'retries bound to the client': { retryBinding: 'client' },
  'no grace, and bound': { graceMs: 0, retryBinding: 'client' },
} as const satisfies Record<string, Partial<Config>>

async function refresh({ post }: TestGateway, { refresh_token }: Tokens): Promise<Tokens | undefined> {
  const response = await post('/auth/token', { grant_type: 'refresh_token', refresh_token })
  return response.statusCode === 200 ? response.json<Tokens>() : undefined
}

async function use(gateway: TestGateway, tokens: Tokens): Promise<number> {
  const { statusCode } = await gateway.app.inject({ url: '/orders/1', headers: bearer(tokens) })
  await gateway.app.delivery.flush()
  return statusCode
}

for (const [store, opener] of Object.entries(await bothStores(t))) {
  for (const [title, config] of Object.entries(settings)) {
    const start = (t: Test) => startGateway(t, { openStore: opener(), config: { ...config, routes } })

    t.test(
      `${store}, ${title}: a thief who comes first and uses what it gets is out at the owner’s next refresh`,
      async (t) => {
        const gateway = await start(t)
        const ofOwner = await gateway.signIn()
        t.equal(await use(gateway, ofOwner), 200)
        gateway.clock.advance(5 * minute)
        const ofThief = await refresh(gateway, ofOwner)
        if (!ofThief) return t.fail('the copy rotates once')
        t.equal(await use(gateway, ofThief), 200)
        gateway.clock.advance(minute)
        t.equal(await refresh(gateway, ofOwner), undefined, 'the owner has to sign in')
        t.match(gateway.events('reused'), [{ sid: ofOwner.session_id, generation: 1 }])
        t.equal(await refresh(gateway, ofThief), undefined)
        t.equal(await use(gateway, ofThief), 401)
      },
    )

    t.test(`${store}, ${title}: one that comes first and uses nothing is out once the owner has gone on`, async (t) => {
      const gateway = await start(t)
      const ofOwner = await gateway.signIn()
      gateway.clock.advance(5 * minute)
      const ofThief = await refresh(gateway, ofOwner)
      gateway.clock.advance(minute)
      const next = await refresh(gateway, ofOwner)
      if (!ofThief || !next) return t.fail('both are given something')
      t.not(next.refresh_token, ofThief.refresh_token, 'and not the same')
      t.equal(await use(gateway, next), 200)
      gateway.clock.advance(minute)
      t.equal(await refresh(gateway, ofThief), undefined, 'its next refresh, before the owner’s')
      t.match(gateway.events('reused'), [{ generation: 2 }])
    })
  }

  t.test(`${store}: two that refresh by turns and use nothing here are a signal each hour`, async (t) => {
    const gateway = await startGateway(t, { openStore: opener(), config: { routes } })
    let ofOwner = await gateway.signIn()
    let ofThief = ofOwner
    for (let round = 0; round < 20; round += 1) {
      gateway.clock.advance(minute)
      ofThief = (await refresh(gateway, ofThief)) ?? ofThief
      gateway.clock.advance(20 * second)
      ofOwner = (await refresh(gateway, ofOwner)) ?? ofOwner
    }
    t.strictSame(gateway.events('reused'), [], 'nothing here has shown which of them went on')
    await gateway.app.auditTrail.recorder.flush()
    const { signals } = await gateway.app.auditTrail.store.signals({}, { limit: 10 })
    t.match(
      signals.map(({ rule, numbers }) => [rule, numbers]),
      [['lost_answers_in_a_row', { lost: 2 }]],
    )
    t.equal(await use(gateway, ofOwner), 200)
    gateway.clock.advance(minute)
    t.equal(await refresh(gateway, ofThief), undefined, 'one use shows it')
  })

  t.test(`${store}: the thief’s access token is told of, whether it is used before the owner’s or after`, async (t) => {
    for (const isBefore of [true, false]) {
      const gateway = await startGateway(t, { openStore: opener(), config: { routes } })
      const stolen = await gateway.signIn()
      gateway.clock.advance(minute)
      const ofThief = await refresh(gateway, stolen)
      gateway.clock.advance(minute)
      const ofOwner = await refresh(gateway, stolen)
      if (!ofThief || !ofOwner) return t.fail('both are given something')
      for (const tokens of isBefore ? [ofThief, ofOwner] : [ofOwner, ofThief]) t.equal(await use(gateway, tokens), 200)
      t.match(gateway.events('skipped_generation_used'), [{ sid: stolen.session_id, generation: 2 }])
    }
  })
}
