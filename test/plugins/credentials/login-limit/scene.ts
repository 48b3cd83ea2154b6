// The scene of the tests of the login limit: small budgets, attempts from anywhere, and the cookie of a known device.
import { deviceCookieName } from '../../../../plugins/browser/cookies.ts'
import { cookiesSetBy, type GatewayOverrides, type TestGateway } from '../../../support/gateway.ts'

export const minute = 60_000
/** Four failures of a subject at once, two of them from one address; twenty of an address. */
export const limit: GatewayOverrides = {
  config: { loginLimit: { max: 4, windowMs: 4 * minute }, addressLimit: { max: 20, windowMs: 20 * minute } },
}

export function attemptLogin({ post }: TestGateway, username: string, from: string, given = 'wrong', headers = {}) {
  return post('/auth/login', { username, password: given }, { remoteAddress: from, headers })
}

export async function statuses(
  gateway: TestGateway,
  attempts: [username: string, from: string, given?: string][],
): Promise<number[]> {
  const seen = []
  for (const [username, from, given] of attempts)
    seen.push((await attemptLogin(gateway, username, from, given)).statusCode)
  return seen
}

/** Tries from addresses of a network in turn, which must be of three parts. */
export function from(network: string, times: number, username = 'alice'): [string, string][] {
  return Array.from({ length: times }, (_, host) => [username, `${network}.${host + 1}`])
}

/** What a browser sends that keeps the device cookie of a response. */
export const deviceOf = (response: Awaited<ReturnType<typeof attemptLogin>>) => ({
  cookie: `${deviceCookieName}=${cookiesSetBy(response)[deviceCookieName]?.value}`,
  'sec-fetch-site': 'same-origin',
})
