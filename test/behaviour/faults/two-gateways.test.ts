// Two real gateway processes on one real Redis, with nothing else in common than CARDEA_SECRET and the issuer: refreshes of the
// same sessions race through both, and the whole history is checked. CARDEA_TEST_REFRESHES says how many (200,000 in the soak).
import t, { type Test } from 'tap'
import {
  adminPassword,
  askSessions,
  endSession,
  generationOf,
  type JsonResponse,
  keepAlive,
  logout,
  refresh,
  signIn,
} from '../../support/gateway-client.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { type RedisServer, startRedis } from '../../support/redis/server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const refreshes = Number(process.env['CARDEA_TEST_REFRESHES'] ?? 5000)
const sessionCount = 16
const clientsPerNode = 2
// Slow machines do some hundred refreshes a second.
t.setTimeout(60_000 + refreshes * 5)

async function startNodes(t: Test): Promise<{ urls: [string, string]; redis: RedisServer }> {
  const redis = await startRedis(t)
  const settings = {
    REDIS_URL: redis.url,
    CARDEA_SECRET: 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc',
    CARDEA_ISSUER: 'https://gateway.test',
    CARDEA_ADMIN_PASSWORD: adminPassword,
    CARDEA_LOGIN_LIMIT: '10000/1m',
    CARDEA_REFRESH_LIMIT: 'off',
  }
  const start = () => GatewayProcess.start({ ...settings, CARDEA_DATA_DIR: temporaryFolder(t) })
  // At once: both make keys, the first admin and the key for subject tags, and one of each is left.
  const [one, other] = await Promise.all([start(), start()])
  t.teardown(async () => {
    for (const node of [one, other]) await node.stop()
  })
  return { urls: [one.url, other.url], redis }
}

/** One refresh, in the order of this process: nothing happens at the same tick. */
interface Call {
  session: number
  presented: string
  response: JsonResponse
  calledAt: number
  respondedAt: number
}

let ticks = 0
function tick(): number {
  ticks += 1
  return ticks
}

class Race {
  readonly calls: Call[] = []
  readonly #urls: readonly [string, string]
  readonly #agent = keepAlive(sessionCount * clientsPerNode)

  constructor(t: Test, urls: readonly [string, string]) {
    this.#urls = urls
    t.teardown(() => this.#agent.close())
  }

  async refresh(session: number, presented: string, node: number): Promise<Call> {
    const calledAt = tick()
    const response = await refresh(this.#urls[node % 2] ?? '', presented, this.#agent)
    const call = { session, presented, response, calledAt, respondedAt: tick() }
    this.calls.push(call)
    return call
  }

  /** A client that presents the newest token it has been given, until it was refused or has done its part. */
  async drive(session: number, first: string, node: number, times: number): Promise<void> {
    let token = first
    for (let i = 0; i < times; i += 1) {
      const { response } = await this.refresh(session, token, node)
      if (response.refreshToken === undefined) return
      token = response.refreshToken
    }
  }

  of(session: number): Call[] {
    return this.calls.filter((call) => call.session === session)
  }
}

/** Every generation is one token, the same bytes wherever it was given, and none is missing: nothing forked. */
function assertOneSuccessor(t: Test, calls: readonly Call[]): void {
  const tokens = new Map<number, string>()
  for (const { presented, response } of calls) {
    const { refreshToken } = response
    if (refreshToken === undefined) continue
    const generation = generationOf(refreshToken)
    const known = tokens.get(generation) ?? refreshToken
    if (known !== refreshToken) t.fail(`generation ${generation} is two tokens`)
    if (generation <= generationOf(presented)) t.fail(`${generationOf(presented)} was answered with ${generation}`)
    tokens.set(generation, refreshToken)
  }
  t.strictSame(
    [...tokens.keys()].sort((a, b) => a - b),
    Array.from({ length: tokens.size }, (_, i) => i + 2),
    'no generation is missing',
  )
}

/** A call that began after another was answered is given at least that generation: no node lags behind. */
function assertMonotone(t: Test, calls: readonly Call[]): void {
  const granted = calls.filter(({ response }) => response.refreshToken !== undefined)
  const generation = ({ response }: Call) => generationOf(response.refreshToken ?? '')
  const byResponse = granted.toSorted((a, b) => a.respondedAt - b.respondedAt)
  let responded = 0
  let highest = 0
  for (const call of granted.toSorted((a, b) => a.calledAt - b.calledAt)) {
    for (let next = byResponse[responded]; next && next.respondedAt < call.calledAt; next = byResponse[responded]) {
      highest = Math.max(highest, generation(next))
      responded += 1
    }
    if (generation(call) < highest) t.fail(`generation ${generation(call)} after ${highest} had been answered`)
  }
}

const { urls, redis } = await startNodes(t)

t.test(
  `${refreshes} refreshes race through two gateways: one successor a token, no fork, and an end is final`,
  async (t) => {
    const race = new Race(t, urls)
    const first: string[] = []
    for (let i = 0; i < sessionCount; i += 1) first.push((await signIn(urls[i % 2] ?? '')).refresh_token)
    const clients = first.flatMap((token, session) =>
      Array.from({ length: 2 * clientsPerNode }, (_, node) => ({ session, token, node })),
    )
    const times = Math.ceil(refreshes / clients.length)
    const startedAt = performance.now()
    await Promise.all(clients.map(({ session, token, node }) => race.drive(session, token, node, times)))
    const seconds = (performance.now() - startedAt) / 1000
    t.comment(`${race.calls.length} refreshes in ${seconds.toFixed(1)} s`)
    t.ok(race.calls.length >= refreshes)
    t.ok(
      race.calls.every(({ response }) => response.status === 200),
      'none was refused',
    )
    for (const [session] of first.entries()) {
      assertOneSuccessor(t, race.of(session))
      assertMonotone(t, race.of(session))
    }
    // A token that two clients presented at once, one at each gateway, or that somebody came late with.
    const presented = new Set(race.calls.map((call) => call.presented))
    t.ok(
      presented.size < race.calls.length * 0.9,
      `they did race: ${race.calls.length - presented.size} presented a token again`,
    )
  },
)

t.test('a logout that races with refreshes at both gateways is final at both from its response on', async (t) => {
  const race = new Race(t, urls)
  const endedAt: number[] = []
  const sessions = await Promise.all(Array.from({ length: sessionCount }, (_, i) => signIn(urls[i % 2] ?? '')))
  await Promise.all(
    sessions.flatMap(({ refresh_token: token }, session) => [
      race.drive(session, token, 0, 40),
      race.drive(session, token, 1, 40),
      race.drive(session, token, session, 2 + session).then(async () => {
        t.equal(await logout(urls[session % 2] ?? '', token), 204)
        endedAt[session] = tick()
      }),
    ]),
  )
  for (const [session, { refresh_token: token }] of sessions.entries()) {
    const newest = race.of(session).findLast(({ response }) => response.refreshToken)?.response.refreshToken ?? token
    for (const node of [0, 1]) t.match(await race.refresh(session, newest, node), { response: { status: 400 } })
    const late = race.of(session).filter(({ calledAt }) => calledAt > (endedAt[session] ?? 0))
    t.ok(
      late.length >= 2 && late.every(({ response }) => response.status === 400),
      'after the response nothing is granted',
    )
    assertOneSuccessor(t, race.of(session))
  }
})

t.test('an access token whose session was ended at one gateway is refused at the other within the bound', async (t) => {
  const boundMs = 1000
  const [here, there] = urls
  const tookMs: number[] = []
  const admin = await signIn(here)
  for (let i = 0; i < 20; i += 1) {
    const { access_token, session_id } = await signIn(here)
    t.equal(await askSessions(there, access_token), 200, 'good at both until then')
    t.equal(await endSession(here, admin.access_token, session_id), 204)
    const endedAt = performance.now()
    while ((await askSessions(there, access_token)) !== 401) {
      if (performance.now() - endedAt > boundMs) break
    }
    tookMs.push(performance.now() - endedAt)
  }
  const slowestMs = Math.max(...tookMs)
  t.comment(`refused after ${slowestMs.toFixed(0)} ms at most`)
  t.ok(slowestMs < boundMs)
})

t.test('one signing key and one first admin were made, and either gateway takes the tokens of the other', async (t) => {
  const [here, there] = urls
  const keys = await Promise.all(urls.map(async (url) => (await fetch(`${url}/.well-known/jwks.json`)).json()))
  t.strictSame(keys[0], keys[1])
  t.equal(await askSessions(there, (await signIn(here)).access_token), 200)
  t.equal(await askSessions(here, (await signIn(there)).access_token), 200)
  t.ok(redis.process().exitCode === null)
})
