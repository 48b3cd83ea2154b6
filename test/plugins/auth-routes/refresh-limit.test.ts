// The limit on rotations of one session: what it stops, and what it must never stop. Time is held.
import t from 'tap'
import { EvenLimit } from '../../../plugins/collections/even-limit.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import { Clock } from '../../support/clock.ts'
import { bearer, startGateway, type TestGateway, type Tokens } from '../../support/gateway.ts'

// Two at once, and then one each ten seconds.
const config = { refreshLimit: { max: 6, windowMs: 60_000 } }

function refresh({ post }: TestGateway, refreshToken: string) {
  return post('/auth/token', { grant_type: 'refresh_token', refresh_token: refreshToken })
}

async function rotateTwice(gateway: TestGateway, first: Tokens): Promise<[Tokens, Tokens]> {
  const second = (await refresh(gateway, first.refresh_token)).json<Tokens>()
  return [second, (await refresh(gateway, second.refresh_token)).json<Tokens>()]
}

t.test('a session that is rotated without a pause is told to wait, and goes on afterwards', async (t) => {
  const gateway = await startGateway(t, { config })
  const [tokens, other] = [await gateway.signIn(), await gateway.signIn()]
  const [, newest] = await rotateTwice(gateway, tokens)
  for (let i = 0; i < 3; i += 1) {
    const refused = await refresh(gateway, newest.refresh_token)
    t.match(
      [refused.statusCode, refused.headers['retry-after'], refused.json()],
      [429, '10', { code: 'too_many_requests' }],
    )
    t.equal(refused.headers['set-cookie'], undefined)
  }
  t.match(gateway.events('refresh_limited'), [{ sid: tokens.session_id, granted: false }, {}, {}])
  t.equal((await refresh(gateway, other.refresh_token)).statusCode, 200, 'another session has a limit of its own')
  gateway.clock.advance(9_999)
  t.equal((await refresh(gateway, newest.refresh_token)).statusCode, 429)
  gateway.clock.advance(1)
  t.equal((await refresh(gateway, newest.refresh_token)).statusCode, 200, 'nothing was used up')
  t.equal((await gateway.app.sessions.read(tokens.session_id))?.generation, 4)
})

t.test('an honest retry is never stopped, nor counted', async (t) => {
  const gateway = await startGateway(t, { config })
  const tokens = await gateway.signIn()
  const other = await gateway.signIn()
  const rotated = (await refresh(gateway, other.refresh_token)).json<Tokens>()
  for (let i = 0; i < 5; i += 1) await refresh(gateway, other.refresh_token)
  t.equal((await refresh(gateway, rotated.refresh_token)).statusCode, 200, 'retries have used up nothing')
  const [second, newest] = await rotateTwice(gateway, tokens)
  for (let i = 0; i < 30; i += 1) {
    for (const superseded of [tokens, second]) {
      const retried = await refresh(gateway, superseded.refresh_token)
      t.match([retried.statusCode, retried.json().refresh_token], [200, newest.refresh_token])
    }
  }
  gateway.clock.advance(10_000)
  t.equal((await refresh(gateway, newest.refresh_token)).statusCode, 200)
})

t.test('a retry at another node, which has heard nothing of the rotation, is not stopped either', async (t) => {
  const clock = new Clock(Date.parse('2026-11-01T12:00:00Z'))
  const store = openEmbeddedStore({ file: ':memory:', clock: clock.now })
  const shared = { config, clock, openStore: async () => store }
  const [one, two] = [await startGateway(t, shared), await startGateway(t, shared)]
  const tokens = await one.signIn()
  const [second, newest] = await rotateTwice(two, tokens)
  t.equal((await refresh(two, newest.refresh_token)).statusCode, 429)
  const third = (await refresh(one, newest.refresh_token)).json<Tokens>()
  t.equal((await refresh(two, newest.refresh_token)).json().refresh_token, third.refresh_token)
  t.equal((await refresh(two, second.refresh_token)).statusCode, 200)
})

t.test('reuse ends the session, whatever the limit says', async (t) => {
  const gateway = await startGateway(t, { config })
  const tokens = await gateway.signIn()
  const [, newest] = await rotateTwice(gateway, tokens)
  await gateway.app.inject({ url: '/auth/sessions', headers: bearer(newest) })
  gateway.clock.advance(10_001)
  await refresh(gateway, newest.refresh_token)
  t.equal((await refresh(gateway, tokens.refresh_token)).json().code, 'invalid_grant')
  t.match(gateway.events('reused'), [{ sid: tokens.session_id }])
})

t.test(
  'a bucket fills evenly, up to its burst, and a clock that is set back neither fills nor empties it',
  async (t) => {
    const clock = new Clock(1_000_000)
    const limit = new EvenLimit({ max: 60, windowMs: 60_000, clock: clock.now })
    const takeAll = () => {
      let taken = 0
      while (limit.take('a')) taken += 1
      return taken
    }
    t.equal(takeAll(), 20)
    t.equal(limit.waitMs('a'), 1000)
    t.equal(limit.waitMs('b'), 0)
    clock.advance(5_000)
    t.equal(takeAll(), 5)
    clock.advance(-3_600_000)
    t.equal(takeAll(), 0)
    clock.advance(2_000)
    t.equal(takeAll(), 2)
    clock.advance(3_600_000)
    t.equal(takeAll(), 20, 'no more than a burst')
  },
)
