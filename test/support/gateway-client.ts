// A client of gateways that run as processes: signs in, refreshes, ends.
import { Agent, request } from 'undici'

/** The part of a token response (docs/reference.md#http-routes) that these tests use. */
export interface Granted {
  access_token: string
  refresh_token: string
  session_id: string
}

export interface JsonResponse {
  status: number
  /** Of a refresh that was granted. */
  refreshToken: string | undefined
}

export const adminPassword = 'a password for the admin of tests'

/** Enough connections that nobody waits for one, kept open as clients do. */
export function keepAlive(connections: number): Agent {
  return new Agent({ connections, pipelining: 1 })
}

/** Signs the first admin in. @param resource the audience of the access token; the default one when absent @throws Error when that is refused */
export async function signIn(url: string, resource?: string): Promise<Granted> {
  const body = JSON.stringify({ username: 'admin', password: adminPassword, delivery: 'body', resource })
  const headers = { 'content-type': 'application/json' }
  const response = await request(`${url}/auth/login`, { method: 'POST', headers, body })
  if (response.statusCode !== 200)
    throw new Error(`login answered ${response.statusCode}: ${await response.body.text()}`)
  // Boundary: the shape of a token response.
  return (await response.body.json()) as Granted
}

/** Presents a refresh token. @throws Error when the connection fails */
export async function refresh(url: string, token: string, dispatcher: Agent): Promise<JsonResponse> {
  const body = JSON.stringify({ grant_type: 'refresh_token', refresh_token: token })
  const headers = { 'content-type': 'application/json' }
  const response = await request(`${url}/auth/token`, { method: 'POST', headers, body, dispatcher })
  // Boundary: the shape of a token response, or of a refusal.
  const { refresh_token } = (await response.body.json()) as Partial<Granted>
  return { status: response.statusCode, refreshToken: refresh_token }
}

/** Ends the session of a refresh token. */
export async function logout(url: string, token: string): Promise<number> {
  const body = JSON.stringify({ refresh_token: token })
  const headers = { 'content-type': 'application/json' }
  const response = await request(`${url}/auth/logout`, { method: 'POST', headers, body })
  await response.body.dump()
  return response.statusCode
}

/** Asks something that needs an access token. */
export async function askSessions(url: string, accessToken: string): Promise<number> {
  const response = await request(`${url}/auth/sessions`, { headers: { authorization: `Bearer ${accessToken}` } })
  await response.body.dump()
  return response.statusCode
}

/** Ends a session of the caller's by its id. */
export async function endSession(url: string, accessToken: string, sid: string): Promise<number> {
  const headers = { authorization: `Bearer ${accessToken}` }
  const response = await request(`${url}/auth/sessions/${sid}`, { method: 'DELETE', headers })
  await response.body.dump()
  return response.statusCode
}

/** The generation that a refresh token says (plugins/session-store/refresh-token.ts has the layout). */
export function generationOf(refreshToken: string): number {
  return Buffer.from(refreshToken, 'base64url').readUInt32BE(26)
}
