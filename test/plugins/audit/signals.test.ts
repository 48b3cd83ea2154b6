// Signals: what each rule finds in the events, what it says, what it does where the config says so, and whom it tells. The memory
// of the rules stays bounded, and a receiver that is away delays nothing.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Detector } from '../../../plugins/audit/detector.ts'
import { ruleTable } from '../../../plugins/audit/rules.ts'
import { signature, Webhook } from '../../../plugins/audit/webhook.ts'
import type { Signal } from '../../../plugins/session-store/port/events.ts'
import type { Config } from '../../../src/config/index.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, browserHeaders, cookiePair, password, startGateway } from '../../support/gateway.ts'

const firefox = { headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0' } }
const curl = { headers: { 'user-agent': 'curl/8.1' } }

async function withSignals(t: Test, config: Partial<Config> = {}) {
  const gateway = await startGateway(t, { config })
  const refresh = (token: string, options = {}) =>
    gateway.post('/auth/token', { grant_type: 'refresh_token', refresh_token: token }, options)
  const signals = async (): Promise<Signal[]> => {
    await gateway.app.auditTrail.recorder.flush()
    return (await gateway.app.auditTrail.store.signals({}, { limit: 200 })).signals.reverse()
  }
  const rules = async () => (await signals()).map(({ rule }) => rule)
  return { ...gateway, refresh, signals, rules }
}

t.test('a reuse is a signal that says what, how often, and why it matters', async (t) => {
  const { signIn, refresh, app, clock, signals } = await withSignals(t)
  const alice = await signIn('alice', firefox)
  const next = (await refresh(alice.refresh_token, firefox)).json()
  await app.inject({ url: '/auth/sessions', headers: bearer(next) })
  clock.advance(60_000)
  await refresh(alice.refresh_token, curl)
  t.match(await signals(), [
    {
      rule: 'reuse',
      severity: 'alarm',
      sid: alice.session_id,
      sub: 'alice',
      numbers: {
        generation_presented: 1,
        generation_newest: 2,
        token_age_seconds: 60,
        client: 'curl/8.1',
        network: '127.0.0.0/24',
        client_before: 'Firefox 128 on Linux',
        network_before: '127.0.0.0/24',
      },
      threshold: 1,
      why: ruleTable.reuse.why,
      action: 'report',
    },
  ])
  const admin = bearer(await signIn('root'))
  t.match((await app.inject({ url: '/admin/signals?limit=1', headers: admin })).json(), {
    signals: [{ rule: 'reuse', at: '2026-11-01T12:01:00.000Z', what: /superseded/ }],
  })
})

t.test('another client or network between generations is a signal; the same is none', async (t) => {
  const { signIn, refresh, signals } = await withSignals(t)
  const alice = await signIn('alice', firefox)
  const same = (await refresh(alice.refresh_token, firefox)).json()
  t.strictSame(await signals(), [])
  await refresh(same.refresh_token, { ...curl, remoteAddress: '203.0.113.9' })
  t.match(await signals(), [
    { rule: 'client_changed', severity: 'warning', numbers: { before: 'Firefox 128 on Linux', client: 'curl/8.1' } },
    { rule: 'network_changed', severity: 'info', numbers: { before: '127.0.0.0/24', network: '203.0.113.0/24' } },
  ])
})

t.test('an app that signs in by one library and refreshes by another raises nothing, on whichever node', async (t) => {
  const { signIn, refresh, rules, clock } = await withSignals(t)
  const [byFetch, byLibrary] = ['node', 'openid-client/v6.9.0'].map((agent) => ({ headers: { 'user-agent': agent } }))
  let { refresh_token: token } = await signIn('alice', byFetch)
  for (const by of [byLibrary, byLibrary, byFetch, byLibrary]) {
    clock.advance(290_000)
    token = (await refresh(token, by)).json().refresh_token
  }
  await refresh(token, { headers: { 'user-agent': 'openid-client/v6.10.0' } })
  t.strictSame(await rules(), [], 'a newer version of it neither')
  await refresh((await signIn('alice', byFetch)).refresh_token, { ...byLibrary, remoteAddress: '203.0.113.9' })
  t.strictSame(
    await rules(),
    ['client_changed', 'network_changed'],
    'the first of all comes from where the app signed in',
  )
})

t.test('of a session that another node has refreshed, this one does not guess who its client is', async (t) => {
  const found: Signal[] = []
  const detector = new Detector({
    ...{ node: 'b', accessTtlSeconds: 300, actions: {}, thresholds: {}, networkOf: (address) => address },
    onSignal: (signal) => found.push(signal),
  })
  const { store, signIn } = await startGateway(t)
  const session = await store.sessions.read((await signIn('alice', curl)).session_id)
  if (session === undefined) return t.fail('no session')
  const seen = { reason: 'rotated', granted: true, at: 0, node: 'b', sid: session.sid, network: session.ip } as const
  detector.see({ ...seen, client: 'okhttp/5.1', network: 'elsewhere' }, { ...session, generation: 9 })
  t.strictSame(
    found.map(({ rule }) => rule),
    ['network_changed'],
  )
  detector.see({ ...seen, client: 'python-requests/2.28', network: 'elsewhere' }, { ...session, generation: 10 })
  t.match(found, [{}, { rule: 'client_changed', numbers: { before: 'okhttp/5.1', client: 'python-requests/2.28' } }])
})

t.test('a session in a cookie has one browser, from its first refresh on', async (t) => {
  const { post, rules } = await withSignals(t)
  const login = await post('/auth/login', { username: 'alice', password }, { headers: browserHeaders() })
  const headers = { ...browserHeaders(cookiePair(login)), ...curl.headers }
  await post('/auth/token', { grant_type: 'refresh_token' }, { headers })
  t.strictSame(await rules(), ['client_changed'])
})

t.test('a retry from where the session was is none, one from elsewhere is a signal', async (t) => {
  const { signIn, refresh, rules } = await withSignals(t)
  const alice = await signIn('alice', firefox)
  await refresh(alice.refresh_token, firefox)
  await refresh(alice.refresh_token, firefox)
  t.strictSame(await rules(), [])
  await refresh(alice.refresh_token, curl)
  t.strictSame(await rules(), ['retry_elsewhere'])
})

t.test('a token ahead of the store is a signal that says which, and so is one that was adopted', async (t) => {
  const { app, signals } = await withSignals(t)
  const seen = { reason: 'ahead_refused', granted: false, sub: 'alice', sid: 'A'.repeat(32) } as const
  app.audit.record(undefined, { ...seen, generation: 9, issuedAtSeconds: Date.parse('2026-11-01T11:59:00Z') / 1000 })
  app.audit.record(undefined, { ...seen, reason: 'ahead_healed', granted: true, generation: 9 })
  t.match(await signals(), [
    { rule: 'ahead', severity: 'alarm', numbers: { generation_presented: 9, token_age_seconds: 60 } },
    { rule: 'healed', severity: 'info', numbers: { generation: 9 } },
  ])
})

t.test('late retries in a row are a signal; with a rotation between them they are none', async (t) => {
  const { signIn, refresh, signals, clock } = await withSignals(t)
  const late = async (token: string) => {
    await refresh(token)
    clock.advance(60_000)
    return (await refresh(token)).json().refresh_token
  }
  let token = (await signIn()).refresh_token
  for (let i = 0; i < 3; i += 1) token = await late(token)
  t.strictSame(await signals(), [], 'each was followed by a rotation')
  for (let i = 0; i < 2; i += 1) {
    clock.advance(60_000)
    await refresh(token)
  }
  t.strictSame(await signals(), [], 'one alone')
  clock.advance(60_000)
  await refresh(token)
  t.match(await signals(), [{ rule: 'lost_answers_in_a_row', numbers: { lost: 2 }, threshold: 2 }])
})

t.test('refreshing far more often than access tokens expire is a signal, once', async (t) => {
  const { signIn, refresh, signals, clock } = await withSignals(t)
  let { refresh_token: token } = await signIn('alice', firefox)
  for (let i = 0; i < 30; i += 1) {
    clock.advance(1000)
    token = (await refresh(token, firefox)).json().refresh_token
  }
  t.match(await signals(), [{ rule: 'refresh_rate', numbers: { refreshes: 11, window_seconds: 300 }, threshold: 10 }])
})

t.test('refreshing when the access token expires is none', async (t) => {
  const { signIn, refresh, rules, clock } = await withSignals(t)
  let { refresh_token: token } = await signIn('alice', firefox)
  for (let i = 0; i < 30; i += 1) {
    clock.advance(290_000)
    token = (await refresh(token, firefox)).json().refresh_token
  }
  t.strictSame(await rules(), [])
})

t.test('a session that wakes after days is a signal', async (t) => {
  const { signIn, refresh, signals, clock } = await withSignals(t)
  const alice = await signIn('alice', firefox)
  clock.advance(5 * 86_400_000)
  await refresh(alice.refresh_token, firefox)
  t.match(await signals(), [{ rule: 'dormant_woke', numbers: { days: 5 }, threshold: 3 }])
})

t.test('failed sign-ins of one subject, of one network, and many sign-ins are signals', async (t) => {
  const { post, signIn, signals } = await withSignals(t)
  const thresholds = ruleTable
  for (let i = 0; i < thresholds.login_failures_address.threshold; i += 1) {
    const username = i < 5 ? 'alice' : `nobody${i}`
    await post('/auth/login', { username, password: 'wrong' })
  }
  for (let i = 0; i < thresholds.many_sessions.threshold; i += 1) await signIn('alice', firefox)
  t.match(await signals(), [
    { rule: 'login_failures_subject', sub: 'alice', numbers: { count: 5, of: 'alice' } },
    { rule: 'login_failures_address', sub: undefined, numbers: { count: 20, of: '127.0.0.0/24' } },
    { rule: 'many_sessions', sub: 'alice', numbers: { count: 20 } },
  ])
})

t.test('a rule that says revoke ends the session, one that says login demands a new sign-in', async (t) => {
  for (const [action, reason] of [
    ['revoke', 'revoked_by_signal'],
    ['login', 'login_demanded'],
  ] as const) {
    const { signIn, refresh, signals, store, app } = await withSignals(t, {
      signals: { actions: { client_changed: action }, thresholds: {} },
    })
    const [alice, other] = [await signIn('alice', firefox), await signIn('alice', firefox)]
    const { refresh_token } = (await refresh(alice.refresh_token, firefox)).json()
    const next = (await refresh(refresh_token, curl)).json()
    await signals()
    await eventually('it ended', async () => (await store.sessions.read(alice.session_id))?.endReason === reason)
    t.equal((await refresh(next.refresh_token, curl)).statusCode, 400)
    t.equal(
      (await app.inject({ url: '/auth/sessions', headers: bearer(next) })).statusCode,
      401,
      'the access token too',
    )
    t.equal((await refresh(other.refresh_token, firefox)).statusCode, 200, 'the subject’s others live')
  }
})

t.test('a reuse that says revoke ends the subject’s other sessions too', async (t) => {
  const { signIn, refresh, app, clock, signals, store } = await withSignals(t, {
    signals: { actions: { reuse: 'revoke' }, thresholds: {} },
  })
  const [alice, other] = [await signIn('alice', firefox), await signIn('alice', firefox)]
  await app.inject({ url: '/auth/sessions', headers: bearer((await refresh(alice.refresh_token, firefox)).json()) })
  clock.advance(60_000)
  await refresh(alice.refresh_token, curl)
  await signals()
  await eventually(
    'it ended',
    async () => (await store.sessions.read(other.session_id))?.endReason === 'revoked_by_signal',
  )
})

t.test('the memory of the rules is bounded, whoever signs in from wherever', async (t) => {
  const found: Signal[] = []
  const detector = new Detector({
    ...{ node: 'n', accessTtlSeconds: 300, actions: {}, thresholds: {}, networkOf: (address: string) => address },
    onSignal: (signal) => void found.push(signal),
  })
  for (let i = 0; i < 120_000; i += 1) {
    const [sub, sid, network] = [`user${i}`, `sid${i}`, `10.${i & 255}.${(i >> 8) & 255}.${i >> 16}`]
    detector.see({ node: 'n', reason: 'login_failed', granted: false, at: i, sub, network, client: '' })
    detector.see({ node: 'n', reason: 'rotated', granted: true, at: i, sub, sid, network, client: '' })
  }
  t.ok(detector.size > 40_000 && detector.size <= 90_000, `${detector.size} remembered`)
  t.strictSame(found, [])
})

t.test('what is found again within the hour is raised once, and has the same id on every node', async (t) => {
  const found: Signal[] = []
  const detectorOf = (node: string) =>
    new Detector({
      ...{ node, accessTtlSeconds: 300, actions: {}, thresholds: {}, networkOf: (address: string) => address },
      onSignal: (signal) => void found.push(signal),
    })
  const [one, other] = [detectorOf('one'), detectorOf('other')]
  const hour = 3_600_000
  const reuseAt = (at: number) => ({ node: 'n', reason: 'reused', granted: false, at, sub: 'alice', sid: 's' }) as const
  for (const at of [hour, hour + 1, 2 * hour - 1, 2 * hour]) one.see(reuseAt(at))
  other.see(reuseAt(hour + 5))
  t.strictSame(
    found.map(({ node, at }) => [node, at]),
    [
      ['one', hour],
      ['one', 2 * hour],
      ['other', hour + 5],
    ],
  )
  const [first, next, same] = found.map(({ id }) => id)
  t.equal(same, first)
  t.not(next, first)
})

interface Received {
  headers: Record<string, unknown>
  body: string
}

async function startReceiver(t: Test, statuses: number[]) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    received.push({ headers: request.headers, body })
    response.writeHead(statuses.shift() ?? 200, { location: '/elsewhere' }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  // A server on a port has an address.
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/signals`, received }
}

const signal: Signal = {
  ...{ id: 's1', rule: 'reuse', at: 0, node: 'n', severity: 'alarm', what: 'w', numbers: {}, threshold: 1, why: 'y' },
  action: 'report',
}

t.test('the webhook is signed, tried again until it is taken, and never redirected', async (t) => {
  const { url, received } = await startReceiver(t, [500, 503, 204, 302, 400, 200])
  const lost: string[] = []
  const secret = 'a secret of the webhook'
  const webhook = new Webhook({
    url,
    secret,
    clock: () => 5000,
    firstPauseMs: 1,
    onLost: ({ id }) => void lost.push(id),
  })
  webhook.send(signal)
  await eventually('three attempts', () => received.length === 3)
  for (const { headers, body } of received) {
    t.equal(headers['cardea-signal'], 's1', 'the same id each time')
    t.equal(headers['cardea-timestamp'], '5')
    t.equal(headers['cardea-signature'], `v1=${signature(secret, '5', body)}`)
    t.match(JSON.parse(body), { id: 's1', at: '1970-01-01T00:00:00.000Z', rule: 'reuse' })
  }
  webhook.send({ ...signal, id: 'redirected' })
  webhook.send({ ...signal, id: 'refused' })
  webhook.send({ ...signal, id: 'taken' })
  await eventually('all are through', () => received.length === 6)
  t.strictSame(lost, ['redirected', 'refused'], 'neither is tried again')
})

t.test('a receiver that is away loses signals beyond a bound, and delays nothing', async (t) => {
  const lost: string[] = []
  const onLost = ({ id }: Signal) => void lost.push(id)
  const webhook = new Webhook({ url: 'http://127.0.0.1:1/', secret: 'x', clock: () => 0, firstPauseMs: 1e6, onLost })
  for (let i = 0; i < 300; i += 1) webhook.send({ ...signal, id: String(i) })
  t.equal(lost.length, 99, '200 wait, one is under way')
  webhook.stop()
})

t.test('a signal of a gateway reaches the webhook once', async (t) => {
  const { url, received } = await startReceiver(t, [])
  const { signIn, refresh, signals } = await withSignals(t, { webhook: { url, secret: 'a secret of the webhook' } })
  const alice = await signIn('alice', firefox)
  let token = alice.refresh_token
  for (const by of [firefox, curl, firefox, curl]) token = (await refresh(token, by)).json().refresh_token
  await signals()
  await eventually('it was told', () => received.length === 1)
  t.match(JSON.parse(received[0]?.body ?? ''), { rule: 'client_changed', sid: alice.session_id })
})

t.test('the table of rules in docs/operations.md is the rules', async (t) => {
  const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
  const [, after = ''] = text.split('\n| rule | severity |')
  const claimed = after.split('\n').filter((line) => line.startsWith('| `'))
  const known = Object.entries(ruleTable).map(
    ([name, { severity, threshold, unit, ends, what, why }]) =>
      `| \`${name}\` | ${severity} | ${threshold} ${unit} | ${ends} | ${what} ${why} |`,
  )
  t.strictSame(claimed, known)
})
