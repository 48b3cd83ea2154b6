// Tests of when a sign-in says that the browser will drop its cookie: where the request proves it, and never where it does
// not.
import t from 'tap'
import { droppedCookie } from '../../../plugins/browser/dropped-cookie.ts'
import { password, startGateway } from '../../support/gateway.ts'

interface Seen {
  host?: string
  protocol?: 'http' | 'https'
  origin?: string
  site?: string
}

function check({ host = 'gw.example', protocol = 'http', origin, site }: Seen) {
  const headers = { ...(origin && { origin }), ...(site && { 'sec-fetch-site': site }) }
  return droppedCookie({ headers, protocol, host })
}

t.test('what a browser drops is told', async (t) => {
  const told: [Seen, string][] = [
    [{ site: 'cross-site', origin: 'http://localhost:5173', host: '127.0.0.1:3000' }, 'cross_site'],
    [{ site: 'cross-site', origin: 'https://app.example', protocol: 'https' }, 'cross_site'],
    [{ origin: 'http://gw.example' }, 'plain_http'],
    [{ origin: 'http://gw.example:5173', host: 'gw.example:3000' }, 'plain_http'],
    [{ origin: 'http://GW.example:3000', host: 'gw.EXAMPLE:3000' }, 'plain_http'],
    [{ origin: 'http://192.168.1.7:3000', host: '192.168.1.7:3000' }, 'plain_http'],
  ]
  for (const [seen, why] of told) t.equal(check(seen), why, JSON.stringify(seen))
})

t.test('nothing is said where the cookie is kept, or where nobody can tell', async (t) => {
  const silent: Seen[] = [
    { site: 'same-origin', origin: 'https://gw.example' },
    { site: 'same-site', origin: 'http://localhost:5173', host: 'localhost:3000' },
    // Whoever ends TLS is not in CARDEA_TRUSTED_PROXIES: the browser says by its fields that it speaks https.
    { site: 'same-origin', origin: 'https://gw.example', protocol: 'http' },
    { origin: 'https://gw.example' },
    { origin: 'http://app.example' },
    { protocol: 'https', origin: 'http://gw.example' },
    { host: 'localhost:3000', origin: 'http://localhost:3000' },
    { host: '127.0.0.1:3000', origin: 'http://127.0.0.1:3000' },
    { host: '[::1]:3000', origin: 'http://[::1]:3000' },
    { host: 'app.localhost', origin: 'http://app.localhost' },
    { origin: 'null' },
    { origin: 'http://' },
    { host: 'not a host' },
    // No browser.
    {},
  ]
  for (const seen of silent) t.equal(check(seen), undefined, JSON.stringify(seen))
})

t.test('the response of a sign-in by cookie has the warning, and one in the body has none', async (t) => {
  const { post, events } = await startGateway(t, { config: { allowedOrigins: ['http://localhost:5173'] } })
  const headers = { origin: 'http://localhost:5173', 'sec-fetch-site': 'cross-site' }
  const signIn = async (more: object) =>
    (await post('/auth/login', { username: 'alice', password, ...more }, { headers })).json()
  t.match(await signIn({}), { warning: /of another site than the gateway/, access_token: String })
  t.equal(events('cookie_dropped').length, 1)
  t.notOk('warning' in (await signIn({ delivery: 'body' })))
  t.equal(events('cookie_dropped').length, 1)
})
