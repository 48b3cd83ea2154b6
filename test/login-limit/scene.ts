// What the tests of the login limit stand on: small budgets, tries from anywhere, and the cookie of a known device.
import { deviceCookieName } from '../../plugins/cookies.ts'
import { cookiesSetBy, type Gateway, type GatewayOverrides } from '../gateway.ts'

export const minute = 60_000
/** Four failures of a subject at once, two of them from one address; twenty of an address. */
export const limit: GatewayOverrides = {
  config: { loginLimit: { max: 4, windowMs: 4 * minute }, addressLimit: { max: 20, windowMs: 20 * minute } },
}

export function tryLogin({ post }: Gateway, username: string, from: string, given = 'wrong', headers = {}) {
  return post('/auth/login', { username, password: given }, { remoteAddress: from, headers })
}

export async function statuses(
  gateway: Gateway,
  tries: [username: string, from: string, given?: string][],
): Promise<number[]> {
  const seen = []
  for (const [username, from, given] of tries) seen.push((await tryLogin(gateway, username, from, given)).statusCode)
  return seen
}

/** Tries from addresses of a network in turn, which must be of three parts. */
export function from(network: string, times: number, username = 'alice'): [string, string][] {
  return Array.from({ length: times }, (_, host) => [username, `${network}.${host + 1}`])
}

/** What a browser sends that keeps the device cookie of an answer. */
export const deviceOf = (answer: Awaited<ReturnType<typeof tryLogin>>) => ({
  cookie: `${deviceCookieName}=${cookiesSetBy(answer)[deviceCookieName]?.value}`,
  'sec-fetch-site': 'same-origin',
})
