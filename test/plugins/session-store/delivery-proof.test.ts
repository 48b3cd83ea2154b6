// Delivery proof end to end, on both stores: real logins, forwarded requests and refreshes, in the order in which
// lost responses, racing tabs and thieves make them. The clock is held; marks travel by themselves unless a test holds them up.
import t, { type Test } from 'tap'
import { type DeliveredGeneration, StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import type { Config } from '../../../src/config/index.ts'
import { Clock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import {
  bearer,
  browserHeaders,
  cookiePair,
  password,
  startGateway,
  type TestGateway,
  type Tokens,
} from '../../support/gateway.ts'
import { bothStores, type StoreOpener } from '../../support/stores.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const stores = await bothStores(t)
const upstream = await startFakeUpstream()
t.teardown(() => upstream.close())

const second = 1000
const hour = 3600 * second
const graceMs = 10 * second
const routes: Config['routes'] = [
  { prefix: '/orders', upstream: upstream.url, policy: 'authenticated' },
  { prefix: '/open', upstream: upstream.url, policy: 'public' },
  { prefix: '/admins', upstream: upstream.url, policy: { roles: ['admin'] } },
]

const openNode = (t: Test, openStore: StoreOpener, clock = new Clock(Date.parse('2026-11-01T12:00:00Z'))) =>
  startGateway(t, { openStore, clock, config: { routes } })

/** A forwarded request with an access token. @returns its status */
async function use({ app }: TestGateway, tokens: Pick<Tokens, 'access_token'>, url = '/orders/1'): Promise<number> {
  return (await app.inject({ url, headers: bearer(tokens) })).statusCode
}

/** Presents a refresh token in the body. */
const present = ({ post }: TestGateway, { refresh_token }: Pick<Tokens, 'refresh_token'>) =>
  post('/auth/token', { grant_type: 'refresh_token', refresh_token })

/** The same, granted. */
async function refresh(gateway: TestGateway, tokens: Pick<Tokens, 'refresh_token'>): Promise<Tokens> {
  const response = await present(gateway, tokens)
  if (response.statusCode !== 200) throw new Error(`refused: ${response.body}`)
  return response.json<Tokens>()
}

const provenGeneration = async ({ store }: TestGateway, { session_id }: Tokens) =>
  (await store.sessions.read(session_id))?.provenGeneration

const isDelivered = async ({ store }: TestGateway, { session_id }: Tokens) => {
  const session = await store.sessions.read(session_id)
  return session?.provenGeneration === session?.generation
}

for (const [name, opener] of Object.entries(stores)) {
  t.test(`${name}: a response lost and retried hours later keeps the session`, async (t) => {
    const gateway = await openNode(t, opener())
    const first = await gateway.signIn()
    t.equal(await use(gateway, first), 200)
    gateway.clock.advance(hour)
    let lost = await refresh(gateway, first)
    for (const wait of [graceMs + 1, 5 * hour, 48 * hour]) {
      t.equal((await refresh(gateway, first)).refresh_token, lost.refresh_token, 'the same bytes within the grace')
      gateway.clock.advance(wait)
      const fresh = await refresh(gateway, first)
      t.not(fresh.refresh_token, lost.refresh_token, `a token of its own after ${wait} ms`)
      lost = fresh
    }
    t.equal(await use(gateway, lost), 200, 'and its access token works')
    t.match(await refresh(gateway, lost), { session_id: first.session_id })
    t.strictSame(gateway.events('reused'), [])
    t.equal(gateway.events('retried_lost_answer').length, 3)
  })

  t.test(`${name}: a thief's replay after the client has used its new access token ends the session`, async (t) => {
    const gateway = await openNode(t, opener())
    const stolen = await gateway.signIn()
    gateway.clock.advance(hour)
    const next = await refresh(gateway, stolen)
    t.equal(await use(gateway, next), 200)
    gateway.clock.advance(graceMs + 1)
    t.equal((await present(gateway, stolen)).statusCode, 400)
    t.match(gateway.events('reused'), [{ sid: next.session_id, generation: 1, granted: false }])
    t.equal((await present(gateway, next)).statusCode, 400, 'the thief’s and the client’s')
    t.equal(await use(gateway, next), 401, 'and its access tokens')
  })

  t.test(`${name}: the same replay without a grace ends the session at once`, async (t) => {
    const openStore = opener()
    const gateway = await startGateway(t, { openStore, config: { graceMs: 0, routes } })
    const stolen = await gateway.signIn()
    const next = await refresh(gateway, stolen)
    t.equal((await present(gateway, stolen)).statusCode, 200, 'not yet used: the response may have been lost')
    t.equal(await use(gateway, next), 200)
    t.equal((await present(gateway, stolen)).statusCode, 400)
    t.equal(gateway.events('reused').length, 1)
  })

  t.test(`${name}: two tabs out of order never lose a session, whichever answer the browser keeps`, async (t) => {
    for (const kept of ['first', 'last'] as const) {
      const gateway = await openNode(t, opener())
      const send = (cookie: string) =>
        gateway.post('/auth/token', { grant_type: 'refresh_token' }, { headers: browserHeaders(cookie) })
      const both = cookiePair(await gateway.post('/auth/login', { username: 'alice', password }))
      gateway.clock.advance(hour)
      // One tab refreshes twice and works; what the other tab sent before all that arrives now.
      const once = await send(both)
      t.equal(await use(gateway, once.json()), 200)
      gateway.clock.advance(3 * second)
      const twice = await send(cookiePair(once))
      t.equal(await use(gateway, twice.json()), 200)
      gateway.clock.advance(3 * second)
      const late = await send(both)
      t.equal(late.statusCode, 200)
      t.equal(cookiePair(late), cookiePair(twice), 'one successor, the same bytes')
      gateway.clock.advance(hour)
      t.equal((await send(cookiePair(kept === 'first' ? twice : late))).statusCode, 200, 'the session goes on')
      t.strictSame(gateway.events('reused'), [])
    }
  })

  t.test(`${name}: twenty tabs at once get one successor, and all go on with it`, async (t) => {
    const gateway = await openNode(t, opener())
    const first = await gateway.signIn()
    const responses = await Promise.all(Array.from({ length: 20 }, () => refresh(gateway, first)))
    t.equal(new Set(responses.map(({ refresh_token }) => refresh_token)).size, 1)
    t.strictSame(new Set(await Promise.all(responses.map((response) => use(gateway, response)))), new Set([200]))
    gateway.clock.advance(hour)
    const [last = first] = responses
    t.match(await refresh(gateway, last), { session_id: first.session_id })
  })

  t.test(`${name}: a thief within seconds gets no token of its own, and is exposed by the next rotation`, async (t) => {
    const gateway = await openNode(t, opener())
    const stolen = await gateway.signIn()
    gateway.clock.advance(hour)
    const ofClient = await refresh(gateway, stolen)
    t.equal(await use(gateway, ofClient), 200)
    gateway.clock.advance(3 * second)
    const ofThief = await refresh(gateway, stolen)
    t.equal(ofThief.refresh_token, ofClient.refresh_token, 'the session has not forked')
    gateway.clock.advance(240 * second)
    const thiefsNext = await refresh(gateway, ofThief)
    t.equal(await use(gateway, thiefsNext), 200)
    gateway.clock.advance(graceMs + 1)
    t.equal((await present(gateway, ofClient)).statusCode, 400, 'the client comes back with a superseded token')
    t.equal(gateway.events('reused').length, 1)
    t.equal(await use(gateway, thiefsNext), 401, 'and the thief is out')
    t.equal((await present(gateway, thiefsNext)).statusCode, 400)
  })

  t.test(`${name}: any use of the access token counts, a public route none, a refused token none`, async (t) => {
    const gateway = await openNode(t, opener())
    const cases: [url: string, status: number, delivered: boolean][] = [
      ['/open/1', 200, false],
      ['/admins/1', 403, true],
      ['/auth/sessions', 200, true],
      ['/orders/1', 200, true],
    ]
    for (const [url, status, delivered] of cases) {
      const tokens = await gateway.signIn()
      await use(gateway, { access_token: `${tokens.access_token.slice(0, -8)}AAAAAAAA` }, url)
      await gateway.app.delivery.flush()
      t.equal(await isDelivered(gateway, tokens), false, `${url}, forged`)
      t.equal(await use(gateway, tokens, url), status)
      if (delivered) await eventually('the mark has reached the store', () => isDelivered(gateway, tokens))
      await gateway.app.delivery.flush()
      t.equal(await isDelivered(gateway, tokens), delivered, url)
    }
  })

  t.test(`${name}: while marks cannot be stored requests pass at once, and lost ones are sent again`, async (t) => {
    const gateway = await openNode(t, opener())
    const sent: DeliveredGeneration[] = []
    let isAway = true
    const { sessions } = gateway.store
    const markDelivered = sessions.markDelivered.bind(sessions)
    sessions.markDelivered = async (marks) => {
      sent.push(...marks)
      if (isAway) throw new StoreUnavailable('away')
      return markDelivered(marks)
    }
    const first = await gateway.signIn()
    const tokens = await refresh(gateway, first)
    t.equal(await use(gateway, tokens), 200)
    await gateway.app.delivery.flush()
    t.match(sent, [{ generation: 2 }])
    gateway.clock.advance(graceMs + 1)
    await refresh(gateway, first)
    t.equal(gateway.events('retried_lost_answer').length, 1, 'a mark lost: retryable for longer')
    isAway = false
    t.equal(await use(gateway, tokens), 200)
    t.equal(await use(gateway, tokens), 200)
    await eventually('the mark has reached the store', async () => (await provenGeneration(gateway, tokens)) === 2)
    t.match(sent, [{ generation: 2 }, { generation: 2 }], 'told again once, and not a third time')
    gateway.clock.advance(graceMs + 1)
    t.equal((await present(gateway, first)).statusCode, 400)
    t.equal(gateway.events('reused').length, 1)
  })

  t.test(`${name}: a mark that never answers holds up neither a request nor the refresh of its session`, async (t) => {
    const gateway = await openNode(t, opener())
    const held = Promise.withResolvers<DeliveredGeneration[]>()
    gateway.store.sessions.markDelivered = () => held.promise
    const tokens = await gateway.signIn()
    t.equal(await use(gateway, tokens), 200)
    t.match(await refresh(gateway, tokens), { session_id: tokens.session_id })
    held.resolve([])
  })
}

t.test('two nodes: what the client used on one ends the replay on the other', async (t) => {
  const openStore = stores.Redis()
  const one = await openNode(t, openStore)
  const other = await openNode(t, openStore, one.clock)
  const stolen = await one.signIn()
  const next = await refresh(other, stolen)
  t.equal(await use(one, next), 200)
  await eventually('the mark has reached the store', () => isDelivered(other, next))
  one.clock.advance(graceMs + 1)
  t.equal((await present(other, stolen)).statusCode, 400)
  t.equal(other.events('reused').length, 1)
})

t.test('two nodes: a mark overtaken by a refresh elsewhere marks nothing newer, and harms nobody', async (t) => {
  const openStore = stores.Redis()
  const one = await openNode(t, openStore)
  const other = await openNode(t, openStore, one.clock)
  const held = Promise.withResolvers<void>()
  const { sessions } = one.store
  const markDelivered = sessions.markDelivered.bind(sessions)
  sessions.markDelivered = async (marks) => {
    await held.promise
    return markDelivered(marks)
  }
  const first = await one.signIn()
  const second = await refresh(one, first)
  t.equal(await use(one, second), 200)
  const flushed = one.app.delivery.flush()
  const lost = await refresh(other, second)
  held.resolve()
  await flushed
  t.equal(await isDelivered(other, lost), false)
  one.clock.advance(5 * hour)
  t.match(await refresh(other, second), { session_id: first.session_id }, 'its response was lost, and is made good')
})

t.test(
  'a known limit: a response overtaken by a later one, kept by the browser and used after the grace',
  async (t) => {
    const gateway = await openNode(t, stores.embedded())
    const first = await gateway.signIn()
    const overtaken = await refresh(gateway, first)
    const newest = await refresh(gateway, overtaken)
    t.equal(await use(gateway, newest), 200)
    gateway.clock.advance(graceMs + 1)
    // To the gateway this is what a thief would do. docs/threat-model.md says so.
    t.equal((await present(gateway, overtaken)).statusCode, 400)
  },
)
