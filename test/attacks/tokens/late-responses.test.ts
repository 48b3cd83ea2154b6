// Responses about an old session that a browser gets after those of a fresh sign-in: the newer session's cookies stay, whatever
// arrives last.
import type { LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { startCookieGateway } from '../../support/cookie-gateway.ts'
import { CookieJar } from '../../support/cookie-jar.ts'
import { bearer, password } from '../../support/gateway.ts'

const normal = ['__Host-cardea_access', '__Host-cardea_refresh']
const spare = ['__Host-cardea_access2', '__Host-cardea_refresh2']

/** A browser of the scene in `cookie-gateway.ts`. Its requests are carried out at once; whoever asks takes the responses. */
async function startBrowser(t: Test) {
  const { gateway, service } = await startCookieGateway(t)
  const jar = new CookieJar()
  const send = (url: string, body?: object) => gateway.post(url, body, { headers: jar.headers() })
  const signIn = (username = 'alice', more = {}) => send('/auth/login', { username, password, ...more })
  const refresh = () => send('/auth/token', { grant_type: 'refresh_token' })
  const logOut = () => send('/auth/logout')
  const endOf = async (response: LightMyRequestResponse) =>
    (await gateway.app.sessions.read(response.json().session_id))?.endReason
  /** That the browser is signed in by both cookies, in the session that a response began. */
  const isIn = async (t: Test, response: LightMyRequestResponse, sub: string, words: string) => {
    service.received.length = 0
    await gateway.app.inject({ url: '/files/1', headers: jar.headers() })
    t.equal(service.received[0]?.headers['x-auth-subject'], sub, `${words}: the access cookie`)
    t.notMatch(service.received[0]?.rawHeaders.join(' '), /__host-cardea/i, `${words}: no cookie of ours is passed on`)
    gateway.clock.advance(1000)
    for (const time of ['once', 'twice']) {
      const { session_id } = jar.take(await refresh()).json()
      t.equal(session_id, response.json().session_id, `${words}: refreshes ${time}`)
    }
    t.equal(await endOf(response), undefined, `${words}: lives`)
  }
  return { gateway, jar, send, signIn, refresh, logOut, endOf, isIn }
}

for (const sub of ['alice', 'root']) {
  for (const pauseMs of [0, 1500]) {
    const when = `${sub}, ${pauseMs} ms later`

    t.test(`a late refresh of the session before does not replace the cookies of a sign-in: ${when}`, async (t) => {
      const { gateway, jar, signIn, refresh, isIn } = await startBrowser(t)
      jar.take(await signIn())
      const late = await refresh()
      t.equal(late.statusCode, 200)
      gateway.clock.advance(pauseMs)
      const fresh = jar.take(await signIn(sub))
      jar.take(late)
      await isIn(t, fresh, sub, 'granted before')
      jar.take(late)
      await isIn(t, fresh, sub, 'arrived again')
    })

    t.test(`a late logout of the session before does not clear the cookies of a sign-in: ${when}`, async (t) => {
      const { gateway, jar, signIn, logOut, isIn } = await startBrowser(t)
      jar.take(await signIn())
      const late = await logOut()
      gateway.clock.advance(pauseMs)
      const fresh = jar.take(await signIn(sub))
      jar.take(late)
      await isIn(t, fresh, sub, 'logged out before')
    })
  }

  t.test(`what is sent before a sign-in and carried out after it changes nothing: ${sub}`, async (t) => {
    const { gateway, jar, signIn, isIn } = await startBrowser(t)
    jar.take(await signIn())
    const headers = jar.headers()
    const fresh = jar.take(await signIn(sub))
    const refreshed = await gateway.post('/auth/token', { grant_type: 'refresh_token' }, { headers })
    t.equal(refreshed.statusCode, 400, 'a sign-in ends the session that it follows, whosever it was')
    jar.take(refreshed)
    jar.take(await gateway.post('/auth/logout', undefined, { headers }))
    await isIn(t, fresh, sub, 'carried out after')
  })
}

t.test('refreshes of both sessions interleaved: the newer one stays, and there are never three', async (t) => {
  const { gateway, jar, signIn, refresh, isIn } = await startBrowser(t)
  jar.take(await signIn())
  const late = [await refresh(), await refresh()]
  const fresh = jar.take(await signIn('root'))
  for (const response of [...late, ...late]) {
    const ours = await refresh()
    jar.take(response)
    await isIn(t, fresh, 'root', 'before its own')
    jar.take(response)
    jar.take(ours)
    t.strictSame(jar.names(), [...normal, ...spare].sort())
    gateway.clock.advance(1000)
  }
})

t.test('sign-in after sign-in, each with a late refresh of the one before', async (t) => {
  const { gateway, jar, signIn, refresh, isIn } = await startBrowser(t)
  jar.take(await signIn())
  for (const sub of ['root', 'alice', 'alice', 'root', 'alice']) {
    gateway.clock.advance(1000)
    const late = await refresh()
    const fresh = jar.take(await signIn(sub))
    t.equal(jar.names().length, 2, 'what was left of another one is gone')
    jar.take(late)
    await isIn(t, fresh, sub, sub)
  }
})

t.test('two tabs sign in at once: whichever response comes last, the browser is signed in', async (t) => {
  for (const order of [
    [0, 1],
    [1, 0],
  ] as const) {
    const { jar, signIn, refresh, isIn } = await startBrowser(t)
    jar.take(await signIn())
    const late = await refresh()
    const tabs = [await signIn('alice'), await signIn('alice')] as const
    for (const i of order) jar.take(tabs[i])
    jar.take(late)
    await isIn(t, tabs[order[1]], 'alice', `${order}`)
  }
})

t.test('a late refresh or logout does not touch the cookies of the session that a new password began', async (t) => {
  const { jar, signIn, refresh, logOut, send, isIn, gateway } = await startBrowser(t)
  const before = jar.take(await signIn())
  const late = await refresh()
  const body = { current_password: password, new_password: 'another battery of staples' }
  const headers = { ...jar.headers(), ...bearer(before.json()) }
  const fresh = await gateway.post('/auth/password', body, { headers })
  t.equal(fresh.statusCode, 200)
  const lateLogout = await logOut()
  jar.take(fresh)
  jar.take(late)
  await isIn(t, fresh, 'alice', 'refresh')
  jar.take(lateLogout)
  await isIn(t, fresh, 'alice', 'logout')
  t.equal((await send('/auth/logout')).statusCode, 204)
})

t.test('a logout with the cookies of two sessions ends both and clears all', async (t) => {
  const { jar, signIn, refresh, logOut, endOf, gateway } = await startBrowser(t)
  jar.take(await signIn())
  const late = await refresh()
  const fresh = jar.take(await signIn('root'))
  jar.take(late)
  const apart = new CookieJar()
  const own = apart.take(await gateway.post('/auth/login', { username: 'alice', password }))
  t.equal(jar.names().length, 4)
  jar.take(await logOut())
  t.strictSame(jar.names(), [])
  t.equal(await endOf(fresh), 'logout')
  t.equal(await endOf(own), undefined)
  jar.take(await signIn())
  t.strictSame(jar.names(), normal, 'and all begins anew')
})

t.test('a logout ends both sessions also where both are alive', async (t) => {
  const { gateway, signIn, endOf } = await startBrowser(t)
  const [one, two] = [new CookieJar(), new CookieJar()]
  const first = one.take(await signIn())
  const second = two.take(await signIn('root'))
  const pairs = [one.headers(), two.headers()].map(({ cookie = '' }) => cookie)
  const cookie = `${pairs[0]}; ${pairs[1]?.replaceAll(/(cardea_(?:refresh|access))=/g, '$12=').replace(/; __Host-cardea_device.*/, '')}`
  const response = await gateway.post('/auth/logout', undefined, { headers: { ...one.headers(), cookie } })
  t.equal(response.statusCode, 204)
  t.equal(await endOf(first), 'logout')
  t.equal(await endOf(second), 'logout')
})

t.test(
  'a sign-in with tokens in the body clears what came, and no late refresh brings a living session back',
  async (t) => {
    const { gateway, jar, signIn, refresh } = await startBrowser(t)
    jar.take(await signIn())
    const late = await refresh()
    jar.take(await signIn('alice', { delivery: 'body' }))
    t.strictSame(jar.names(), [])
    jar.take(late)
    t.equal((await refresh()).statusCode, 400)
    const opened = await gateway.app.inject({ url: '/files/1', headers: jar.headers() })
    t.equal(opened.statusCode, 401)
  },
)

t.test('with one session there is one cookie of a kind, by its usual name', async (t) => {
  const { jar, signIn, refresh, logOut } = await startBrowser(t)
  for (let i = 0; i < 3; i += 1) {
    jar.take(await signIn())
    t.strictSame(jar.names(), normal)
    jar.take(await refresh())
    t.strictSame(jar.names(), normal)
    jar.take(await logOut())
    t.strictSame(jar.names(), [])
  }
})

t.test('a refusal is about nobody’s cookies', async (t) => {
  const { jar, signIn, refresh, isIn, gateway } = await startBrowser(t)
  const first = jar.take(await signIn())
  await gateway.app.sessions.end(first.json().session_id, 'revoked_by_admin')
  const late = await refresh()
  t.equal(late.statusCode, 400)
  const fresh = jar.take(await signIn())
  jar.take(late)
  jar.take(await signIn('alice', { password: 'wrong' }))
  await isIn(t, fresh, 'alice', 'refused')
})
