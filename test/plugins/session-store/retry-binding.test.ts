// Retry binding: a retry from another client is reuse and ends the session before it is answered; everything else is as without.
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import { retryViolation } from '../../../plugins/session-store/retry-binding.ts'
import {
  bearer,
  browserHeaders,
  cookiePair,
  password,
  startGateway,
  type TestGateway,
  type Tokens,
} from '../../support/gateway.ts'

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
const firefoxUpdated = firefox.replaceAll('128', '129')
const curl = 'curl/8.5.0'
const hourMs = 3_600_000

const bound = (t: Test) => startGateway(t, { config: { retryBinding: 'client' } })

/** Signs in by cookie. @returns the cookie */
async function signInByCookie({ post }: TestGateway, userAgent = firefox): Promise<string> {
  return cookiePair(
    await post('/auth/login', { username: 'alice', password }, { headers: { 'user-agent': userAgent } }),
  )
}

const byCookie = ({ post }: TestGateway, cookie: string, userAgent = firefox) =>
  post(
    '/auth/token',
    { grant_type: 'refresh_token' },
    { headers: { ...browserHeaders(cookie), 'user-agent': userAgent } },
  )

const inBody = ({ post }: TestGateway, refresh_token: string | undefined, userAgent = firefox) =>
  post('/auth/token', { grant_type: 'refresh_token', refresh_token }, { headers: { 'user-agent': userAgent } })

const tokenIn = (cookie: string) => cookie.split('=')[1]

t.test(
  'bound to nothing, every retry is honoured; bound to the client, one of another label or without its cookie is not',
  async (t) => {
    const inCookie = { device: 'Firefox 128 on Linux', inCookie: true } as const
    const rows = [
      ['the same', inCookie, 'Firefox 128 on Linux', true, true],
      ['a later version', inCookie, 'Firefox 129 on Linux', true, true],
      ['another platform', inCookie, 'Firefox 128 on Windows', true, false],
      ['another browser', inCookie, 'Chrome 128 on Linux', true, false],
      ['no label', inCookie, '', true, false],
      ['the cookie’s token in a body', inCookie, 'Firefox 128 on Linux', false, false],
      ['an app', { device: 'okhttp/4.9.3' }, 'okhttp/4.12.0', false, true],
      ['an app’s token in a cookie', { device: 'okhttp/4.9.3' }, 'okhttp/4.9.3', true, true],
      ['another app', { device: 'okhttp/4.9.3' }, 'okhttps/4.9.3', false, false],
      ['no label, as at login', { device: '' }, '', false, true],
    ] as const
    for (const [title, session, label, isByCookie, isHonoured] of rows) {
      t.equal(retryViolation(session, { label, isByCookie }, 'client') === undefined, isHonoured, title)
      t.equal(retryViolation(session, { label, isByCookie }, 'none'), undefined, title)
    }
  },
)

const foreign: [
  title: string,
  detail: RegExp,
  retry: (gateway: TestGateway, cookie: string) => ReturnType<typeof byCookie>,
][] = [
  ['of another label', /another label/, (gateway, cookie) => byCookie(gateway, cookie, curl)],
  ['without its cookie', /without the cookie/, (gateway, cookie) => inBody(gateway, tokenIn(cookie))],
]

for (const [title, detail, retry] of foreign) {
  for (const [why, waitMs] of [
    ['a lost response', hourMs],
    ['a racing tab', 0],
  ] as const) {
    t.test(`a retry ${title}, as of ${why}, ends the session before it is answered`, async (t) => {
      const gateway = await bound(t)
      const first = await signInByCookie(gateway)
      gateway.clock.advance(hourMs)
      const next = await byCookie(gateway, first)
      gateway.clock.advance(waitMs)
      const refused = await retry(gateway, first)
      t.match(refused.json(), { error: 'invalid_grant' })
      t.notMatch(refused.body, /access_token|label|cookie/, 'the client hears nothing of why')
      const { session_id } = next.json<Tokens>()
      t.match(gateway.events('reused'), [{ sid: session_id, generation: 1, sub: 'alice', granted: false, detail }])
      t.match(gateway.events('revoked_by_reuse'), [{ sid: session_id, granted: true }])
      t.match(await gateway.store.sessions.read(session_id), { endReason: 'revoked_by_reuse' })
      t.equal((await byCookie(gateway, cookiePair(next))).statusCode, 400, 'the newest token is dead')
      const asked = await gateway.app.inject({ url: '/auth/sessions', headers: bearer(next.json()) })
      t.equal(asked.statusCode, 401, 'and so is the access token')
    })
  }
}

t.test('the session’s own client is honoured, also after an update of its browser', async (t) => {
  const gateway = await bound(t)
  const first = await signInByCookie(gateway)
  const next = await byCookie(gateway, first)
  const again = await byCookie(gateway, first, firefoxUpdated)
  t.equal(cookiePair(again), cookiePair(next))
  gateway.clock.advance(hourMs)
  t.equal((await byCookie(gateway, first, firefoxUpdated)).statusCode, 200)
})

t.test('a session in the body is bound to its label alone', async (t) => {
  const gateway = await bound(t)
  const { refresh_token } = await gateway.signIn('alice', { headers: { 'user-agent': 'okhttp/4.9.3' } })
  await inBody(gateway, refresh_token, 'okhttp/4.9.3')
  gateway.clock.advance(hourMs)
  t.equal((await inBody(gateway, refresh_token, 'okhttp/4.12.0')).statusCode, 200)
  t.equal((await inBody(gateway, refresh_token, curl)).statusCode, 400)
})

t.test('a rotation is not bound: only a superseded token has to show more than itself', async (t) => {
  const gateway = await bound(t)
  const first = await signInByCookie(gateway)
  t.equal((await inBody(gateway, tokenIn(first), curl)).statusCode, 200)
})

t.test('unbound, which is the default, every retry is honoured', async (t) => {
  const gateway = await startGateway(t)
  const first = await signInByCookie(gateway)
  await byCookie(gateway, first)
  gateway.clock.advance(hourMs)
  t.equal((await inBody(gateway, tokenIn(first), curl)).statusCode, 200)
})

t.test(
  'a store that goes away between the retry and the end gives nothing, and checks the next attempt anew',
  async (t) => {
    const gateway = await bound(t)
    const first = await signInByCookie(gateway)
    await byCookie(gateway, first)
    const { sessions } = gateway.store
    const end = sessions.end.bind(sessions)
    let isAway = true
    sessions.end = async (sid, reason) => {
      if (isAway) throw new StoreUnavailable('away')
      return end(sid, reason)
    }
    const away = await byCookie(gateway, first, curl)
    t.equal(away.statusCode, 503)
    t.equal(away.headers['set-cookie'], undefined)
    t.strictSame(gateway.events('reused'), [])
    isAway = false
    t.equal((await byCookie(gateway, first, curl)).statusCode, 400)
    t.equal(gateway.events('reused').length, 1)
  },
)

t.test(
  'a retry that is refused races with refreshes of the client: whatever comes first, nothing is granted afterwards',
  async (t) => {
    for (let round = 0; round < 10; round += 1) {
      const gateway = await bound(t)
      const first = await signInByCookie(gateway)
      const next = cookiePair(await byCookie(gateway, first))
      const responses = await Promise.all([
        ...Array.from({ length: round % 4 }, () => byCookie(gateway, next)),
        byCookie(gateway, first, curl),
        byCookie(gateway, next),
      ])
      t.equal(responses[round % 4]?.statusCode, 400, 'the thief')
      for (const response of [responses[0], responses.at(-1)]) {
        const cookie = response?.statusCode === 200 ? cookiePair(response) : next
        t.equal((await byCookie(gateway, cookie)).statusCode, 400)
      }
    }
  },
)
