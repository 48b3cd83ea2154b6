// Makes access tokens that are right but for one thing, with the gateway's own key, and presents them.
import { type KeyObject, sign } from 'node:crypto'
import type { Test } from 'tap'
import {
  issuer,
  type KeyGateway,
  type KeyGatewayOptions,
  openGateway,
  privateKeyOf,
  startMs,
} from '../../plugins/access-tokens/gateway.ts'

export interface Forge extends KeyGateway {
  kid: string
  key: KeyObject
  header: Record<string, unknown>
  claims: Record<string, unknown>
  /** A token signed by the gateway's own key: members to add or change, or the JSON text itself. */
  forge(header?: Json, payload?: Json): string
  refused(t: Test, token: string, reason: string, what?: string): Promise<void>
}

export type Json = Record<string, unknown> | string

/** A gateway, and tokens signed by its own key that are right but for what is asked. */
export async function openForge(t: Test, options: KeyGatewayOptions = {}): Promise<Forge> {
  const gateway = await openGateway(t, options)
  const { kid, key } = await privateKeyOf(gateway.store)
  const session = await gateway.signIn()
  const iat = startMs / 1000
  const header = { alg: 'ES256', typ: 'at+jwt', kid }
  const claims = {
    iss: issuer,
    aud: issuer,
    sub: session.sub,
    client_id: 'cardea',
    iat,
    exp: iat + 300,
    jti: 'A'.repeat(24),
    sid: session.sid,
    gen: 1,
    scope: '',
    roles: [],
    auth_time: iat,
  }
  const text = (base: object, change: Json) =>
    typeof change === 'string' ? change : JSON.stringify({ ...base, ...change })
  const forge = (headerChange: Json = {}, payloadChange: Json = {}) => {
    const input = `${encode(text(header, headerChange))}.${encode(text(claims, payloadChange))}`
    return `${input}.${es256(input, key)}`
  }
  return { ...gateway, kid, key, header, claims, forge, refused: (...args) => refused(gateway, ...args) }
}

/** Presents a token: it must be refused as every bad token is, with one event that has this reason. */
export async function refused(
  gateway: KeyGateway,
  t: Test,
  token: string,
  reason: string,
  what = reason,
): Promise<void> {
  const response = await gateway.bearer(token)
  const challenge = 'Bearer realm="cardea", error="invalid_token"'
  t.match(response, { status: 401, code: 'invalid_token', challenge, events: [reason] }, what)
  t.equal(response.events.length, 1)
}

export const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url')
export const es256 = (input: string, key: KeyObject, encoding: 'ieee-p1363' | 'der' = 'ieee-p1363') =>
  sign('sha256', Buffer.from(input), { key, dsaEncoding: encoding }).toString('base64url')
export function parts(token: string): [string, string, string] {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return [header, payload, signature]
}
