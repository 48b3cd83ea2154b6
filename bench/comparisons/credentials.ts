// A key and an access token for what stands beside Cardea in the bench: the same claims and header, so that all verify alike.
import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { exportSPKI, SignJWT } from 'jose'

export interface BenchCredentials {
  alg: 'ES256' | 'HS256'
  /** PEM of the public key, or the shared secret. */
  key: string
  token: string
}

/** Makes a key and a token that is good for an hour. */
export async function makeCredentials(alg: BenchCredentials['alg']): Promise<BenchCredentials> {
  if (alg === 'HS256') {
    const key = randomBytes(32).toString('hex')
    return { alg, key, token: await sign(alg, new TextEncoder().encode(key)) }
  }
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return { alg, key: await exportSPKI(publicKey), token: await sign(alg, privateKey) }
}

function sign(alg: BenchCredentials['alg'], key: Parameters<SignJWT['sign']>[0]): Promise<string> {
  const id = () => randomBytes(24).toString('base64url')
  const claims = { client_id: 'cardea', sid: id(), gen: 1, scope: '', roles: ['admin'], auth_time: 1 }
  return new SignJWT(claims)
    .setProtectedHeader({ alg, kid: id(), typ: 'at+jwt' })
    .setIssuer('http://127.0.0.1:3000')
    .setAudience('http://127.0.0.1:3000')
    .setSubject('admin')
    .setJti(id())
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(key)
}
