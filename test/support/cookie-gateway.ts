// A gateway with routes that take the access token from its cookie, beside one that does not, a service behind them, and
// people who sign in as browsers do.
import type { Test } from 'tap'
import { accessCookieName, refreshCookieName } from '../../plugins/browser/cookies.ts'
import type { RouteConfig } from '../../plugins/forward/index.ts'
import type { Config } from '../../src/config/index.ts'
import { cookiesSetBy, password, startGateway, type TestGateway } from './gateway.ts'
import { type FakeUpstream, startFakeUpstream } from './upstream.ts'

/** Signed in with delivery `cookie`. */
export interface SignedIn {
  sid: string
  accessToken: string
  /** `name=value` of the access token's cookie, of the refresh token's, and both as a browser sends them. */
  access: string
  refresh: string
  cookie: string
}

export interface CookieGateway {
  gateway: TestGateway
  service: FakeUpstream
  /** Signs in by cookie. @param more members of the request */
  enter(username?: string, more?: object): Promise<SignedIn>
}

/** The routes of the scene, to one service. */
export function cookieRoutes(upstream: string): RouteConfig[] {
  return [
    { prefix: '/files', upstream, accessCookie: true, websocket: true },
    { prefix: '/staff', upstream, accessCookie: true, policy: { roles: ['admin'] } },
    { prefix: '/read', upstream, accessCookie: true, policy: { scopes: ['orders:read'] } },
    { prefix: '/other', upstream, accessCookie: true, audience: 'https://orders.test' },
    { prefix: '/open', upstream, accessCookie: true, policy: 'public' },
    { prefix: '/plain', upstream, websocket: true },
  ]
}

/** Starts the scene; it ends with the test. */
export async function startCookieGateway(
  t: Test,
  config: Partial<Config> = {},
  response?: Parameters<typeof startFakeUpstream>[0],
): Promise<CookieGateway> {
  const service = await startFakeUpstream(response)
  t.teardown(() => service.close())
  const gateway = await startGateway(t, { config: { routes: cookieRoutes(service.url), ...config } })
  const enter: CookieGateway['enter'] = async (username = 'alice', more = {}) => {
    const login = await gateway.post('/auth/login', { username, password, ...more })
    if (login.statusCode !== 200) throw new Error(`login answered ${login.statusCode}: ${login.body}`)
    const set = cookiesSetBy(login)
    const access = `${accessCookieName}=${set[accessCookieName]?.value}`
    const refresh = `${refreshCookieName}=${set[refreshCookieName]?.value}`
    const { session_id: sid, access_token: accessToken } = login.json()
    return { sid, accessToken, access, refresh, cookie: `${refresh}; ${access}` }
  }
  return { gateway, service, enter }
}
