// The gateway's own cookies: which cookie each is, what happens when there are two, and the bytes it is set with.
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import cookies, {
  accessCookieName,
  clearCookies,
  cookiePlaces,
  hasSessionCookie,
  presentedPlaces,
  readAccessCookies,
  refreshCookieName,
  setAccessCookie,
  setRefreshCookie,
} from '../../../plugins/browser/cookies.ts'
import errors from '../../../plugins/errors/index.ts'
import { browserHeaders, cookiePair, password, startGateway } from '../../support/gateway.ts'

const [usual, spare] = cookiePlaces

async function startApp(t: Test, options = {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(cookies, options)
  app.get('/read', async (request) => ({
    has: hasSessionCookie(request),
    value: presentedPlaces(request)[0]?.refreshToken ?? null,
  }))
  app.get('/read-access', async (request) => ({ value: readAccessCookies(request)[0] ?? null }))
  app.get('/set', async (_request, reply) => setRefreshCookie(reply, usual, 'the-token', 60))
  app.get('/set-access/:bytes', async ({ url }, reply) =>
    setAccessCookie(reply, usual, 'x'.repeat(Number(url.slice('/set-access/'.length))), 60),
  )
  app.get('/clear', async (_request, reply) => clearCookies(reply, usual))
  return app
}

t.test('the cookie is read by its exact name only', async (t) => {
  const app = await startApp(t)
  const read = async (cookie: string) => (await app.inject({ url: '/read', headers: { cookie } })).json()
  const found: [string, string][] = [
    [`${refreshCookieName}=a`, 'a'],
    [`x=1; ${refreshCookieName}=a; y=2`, 'a'],
    [`x=1;${refreshCookieName}=a;y=2`, 'a'],
    [` \t${refreshCookieName} =\ta ;;;`, 'a'],
    [`${refreshCookieName}=`, ''],
    [`${refreshCookieName}=a; ${refreshCookieName.toLowerCase()}=b`, 'a'],
    [`${refreshCookieName}=a=b==`, 'a=b=='],
    [`${refreshCookieName}="a"`, '"a"'],
    [`${refreshCookieName}=%61`, '%61'],
  ]
  for (const [cookie, value] of found) t.strictSame(await read(cookie), { has: true, value }, cookie)
  const others = [
    '',
    'x=1',
    `${refreshCookieName.toLowerCase()}=a`,
    `${refreshCookieName.toUpperCase()}=a`,
    'cardea_refresh=a',
    '__Secure-cardea_refresh=a',
    `${refreshCookieName}3=a`,
    `${refreshCookieName}22=a`,
    `x${refreshCookieName}=a`,
    `__Host%2Dcardea_refresh=a`,
    `"${refreshCookieName}"=a`,
    `\u00a0${refreshCookieName}=a`,
    `=${refreshCookieName}=a`,
    `x=${refreshCookieName}=a`,
    refreshCookieName,
    `x=1, ${refreshCookieName}=a`,
  ]
  for (const cookie of others) t.strictSame(await read(cookie), { has: false, value: null }, cookie)
})

t.test('as many blanks as fit into a request take no time', async (t) => {
  const app = await startApp(t)
  const blanks = ' \t'.repeat(7500)
  const startedAtMs = performance.now()
  for (const cookie of [`${refreshCookieName}=a; x${blanks}y=1`, `${refreshCookieName}=a; x=1${blanks}y`]) {
    t.match((await app.inject({ url: '/read', headers: { cookie } })).json(), { has: true, value: 'a' })
  }
  t.ok(performance.now() - startedAtMs < 250, 'a pattern that goes back over them takes half a second for each')
})

t.test('two cookies of the name are a refusal, equal or not, in one field or two', async (t) => {
  const app = await startApp(t)
  for (const cookie of [
    `${refreshCookieName}=a; ${refreshCookieName}=b`,
    `${refreshCookieName}=a; ${refreshCookieName}=a`,
    `${refreshCookieName}=a;x=1;\t${refreshCookieName} =`,
    `${refreshCookieName}=; ${refreshCookieName}=a`,
    `${spare.refresh}=a; ${spare.refresh}=b`,
    `${spare.refresh}=a; ${refreshCookieName}=b; ${spare.refresh}=a`,
  ]) {
    const response = await app.inject({ url: '/read', headers: { cookie } })
    t.match(response.json(), { status: 400, code: 'invalid_request' }, cookie)
  }
  await app.listen({ host: '127.0.0.1', port: 0 })
  const response = await fetch(`${app.listeningOrigin}/read`, {
    headers: [
      ['cookie', `${refreshCookieName}=a`],
      ['cookie', `${refreshCookieName}=b`],
    ],
  })
  t.equal(response.status, 400)
})

t.test('one of each place are two, and each is told with its place', async (t) => {
  const app = await startApp(t, { usesAccessCookie: true })
  app.get('/places', async (request) => presentedPlaces(request))
  app.get('/access', async (request) => readAccessCookies(request))
  const read = async (url: string, cookie: string) => (await app.inject({ url, headers: { cookie } })).json()
  const all = `${spare.refresh}=b; ${spare.access}=d; ${usual.refresh}=a; ${usual.access}=c`
  t.strictSame(await read('/places', all), [
    { place: usual, refreshToken: 'a' },
    { place: spare, refreshToken: 'b' },
  ])
  t.strictSame(await read('/access', all), ['c', 'd'])
  t.strictSame(await read('/places', `${spare.refresh}=b`), [{ place: spare, refreshToken: 'b' }])
  t.strictSame(await read('/places', `${spare.access}=d`), [{ place: spare }])
  t.strictSame(await read('/access', `${spare.access}=d`), ['d'])
  t.match(await read('/access', `${spare.access}=d; ${spare.access}=d`), { code: 'invalid_request' })
  t.strictSame(await read('/read', `${spare.refresh}=b`), { has: true, value: 'b' })
})

t.test('the cookie is set and cleared with the same attributes', async (t) => {
  const app = await startApp(t)
  const set = String((await app.inject('/set')).headers['set-cookie'])
  t.equal(set, `${refreshCookieName}=the-token; Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Strict`)
  const clear = String((await app.inject('/clear')).headers['set-cookie'])
  t.equal(
    clear,
    `${refreshCookieName}=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Strict`,
  )
  t.notOk(/domain/i.test(set + clear), 'no Domain')
})

const dead = 'Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Strict'

t.test('the access cookie is another one with the same attributes, set and cleared where it is used', async (t) => {
  const app = await startApp(t, { usesAccessCookie: true })
  const set = String((await app.inject('/set-access/9')).headers['set-cookie'])
  t.equal(set, `${accessCookieName}=xxxxxxxxx; Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Strict`)
  t.strictSame((await app.inject('/clear')).headers['set-cookie'], [
    `${refreshCookieName}=; ${dead}`,
    `${accessCookieName}=; ${dead}`,
  ])
  const read = async (cookie: string) => (await app.inject({ url: '/read-access', headers: { cookie } })).json()
  t.match(await read(`${refreshCookieName}=r; ${accessCookieName}=a`), { value: 'a' })
  t.match(await read(`${refreshCookieName}=r`), { value: null })
  t.match(await read(`${accessCookieName}=a; ${accessCookieName}=a`), { status: 400, code: 'invalid_request' })
})

t.test('where it is not used it is neither set nor cleared', async (t) => {
  const app = await startApp(t)
  t.equal((await app.inject('/set-access/9')).headers['set-cookie'], undefined)
  t.equal((await app.inject('/clear')).headers['set-cookie'], `${refreshCookieName}=; ${dead}`)
})

t.test('an access token that is too long for a cookie is not set, and takes an older one’s place', async (t) => {
  const app = await startApp(t, { usesAccessCookie: true })
  const most = 4096 - accessCookieName.length
  t.match((await app.inject(`/set-access/${most}`)).headers['set-cookie'], /=x+; Max-Age=60;/)
  t.equal((await app.inject(`/set-access/${most + 1}`)).headers['set-cookie'], `${accessCookieName}=; ${dead}`)
})

t.test('cookie tossing: two refresh cookies are 400 on every route that reads them, and end nothing', async (t) => {
  const { app, post } = await startGateway(t)
  const login = await post('/auth/login', { username: 'alice', password })
  const headers = browserHeaders(`${cookiePair(login)}; ${refreshCookieName}=tossed`)
  for (const [url, body] of [
    ['/auth/login', { username: 'alice', password }],
    ['/auth/token', { grant_type: 'refresh_token' }],
    ['/auth/logout', {}],
  ] as const) {
    const response = await post(url, body, { headers })
    t.match(response.json(), { status: 400, code: 'invalid_request' }, url)
    t.equal(response.headers['set-cookie'], undefined)
  }
  t.equal((await app.sessions.read(login.json().session_id))?.revokedAt, undefined)
})

t.test('odd cookie bytes are never more than a refusal, and quick', async (t) => {
  const { post } = await startGateway(t)
  const login = await post('/auth/login', { username: 'alice', password })
  const odd = [
    Array.from({ length: 500 }, (_, i) => `c${i}=${i}`).join('; '),
    ';'.repeat(8192),
    '='.repeat(8192),
    `${refreshCookieName}${' '.repeat(8000)}=a`,
    `${refreshCookieName}=${'"'.repeat(4000)}`,
    `${refreshCookieName}=\u0001\u007f\u0080`,
    `${refreshCookieName}=%`,
    `${refreshCookieName}=%zz%00`,
    '__proto__=1; constructor=2; toString=3',
    '\u0000',
    '\u00ff'.repeat(1000),
    `${cookiePair(login)}; __proto__=x`,
  ]
  for (const cookie of odd) {
    const before = performance.now()
    const response = await post('/auth/token', { grant_type: 'refresh_token' }, { headers: browserHeaders(cookie) })
    t.ok([200, 400].includes(response.statusCode), `${response.statusCode} ${cookie.slice(0, 30)}`)
    t.ok(performance.now() - before < 1000)
  }
})
