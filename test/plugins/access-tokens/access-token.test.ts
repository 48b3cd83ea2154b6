// Access tokens as issued and as verified: claims, algorithms, time, the cache, and rotation seen by everyone who verifies.
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import type { PublicJwk, SigningAlgorithm } from '../../../plugins/access-tokens/key-material.ts'
import { LruMap } from '../../../plugins/collections/lru-map.ts'
import type { Session } from '../../../plugins/session-store/port/store.ts'
import { issuer, type KeyGateway, openGateway, startMs, tokenOptions } from './gateway.ts'

const session: Session = {
  sid: 'abcdefgh'.repeat(4),
  sub: 'ada',
  generation: 7,
  provenGeneration: 0,
  rotatedAt: [startMs],
  createdAt: startMs - 5_500,
  absoluteExpirySeconds: startMs / 1000 + 86_400,
  idleTtlSeconds: 3_600,
  roles: ['admin', 'staff'],
  scope: 'orders:read orders:write',
  device: 'curl',
  ip: '127.0.0.1',
  amr: ['pwd'],
  userRevision: 1,
}

t.test('an access token holds the claims of RFC 9068, sid, gen, scope and roles, and nothing else', async (t) => {
  const { app } = await openGateway(t)
  const { token, expiresInSeconds } = app.accessTokens.issue(session)
  const { jti, exp, ...claims } = decodeJwt(token)
  const iat = startMs / 1000
  t.same(claims, {
    iss: issuer,
    aud: issuer,
    sub: 'ada',
    client_id: 'cardea',
    iat,
    sid: session.sid,
    gen: 7,
    scope: 'orders:read orders:write',
    roles: ['admin', 'staff'],
    auth_time: iat - 6,
  })
  t.match(jti, /^[A-Za-z0-9_-]{22,}$/)
  t.equal(exp, iat + expiresInSeconds)
  t.same(decodeProtectedHeader(token), { alg: 'ES256', typ: 'at+jwt', kid: decodeProtectedHeader(token).kid })
  t.same(app.accessTokens.verify(token), { ok: true, claims: { ...claims, jti, exp } })
})

t.test('no two tokens have one jti, and up to a twentieth of the life is taken off at random', async (t) => {
  const { app } = await openGateway(t, { alg: 'HS256' })
  const issued = Array.from({ length: 2_000 }, () => app.accessTokens.issue(session))
  const lives = issued.map(({ expiresInSeconds }) => expiresInSeconds)
  t.equal(new Set(issued.map(({ token }) => decodeJwt(token).jti)).size, 2_000)
  t.equal(Math.max(...lives), 300)
  t.equal(Math.min(...lives), 286)
  t.ok(new Set(lives).size > 10, 'spread')
})

t.test('a token never lives beyond the absolute expiry of its session', async (t) => {
  const { app } = await openGateway(t)
  for (const [left, life] of [
    [100, 100],
    [1, 1],
    [0, 0],
    [-5, 0],
  ] as const) {
    const ending = { ...session, absoluteExpirySeconds: startMs / 1000 + left }
    t.equal(app.accessTokens.issue(ending).expiresInSeconds, life)
  }
})

t.test('audience and scope can be asked for, and a strange audience is a mistake of ours', async (t) => {
  const { app } = await openGateway(t)
  const { token } = app.accessTokens.issue(session, { audience: 'orders', scope: 'orders:read' })
  t.match(decodeJwt(token), { aud: 'orders', scope: 'orders:read' })
  t.throws(() => app.accessTokens.issue(session, { audience: 'elsewhere' }), /not an audience/)
})

for (const alg of ['ES256', 'EdDSA', 'RS256', 'PS256', 'HS256'] satisfies SigningAlgorithm[]) {
  t.test(`${alg}: what is issued verifies here, and for others by the JWKS alone`, async (t) => {
    const { app } = await openGateway(t, { alg })
    const { token } = app.accessTokens.issue(session)
    t.match(app.accessTokens.verify(token), { ok: true, claims: { sub: 'ada' } })
    const jwks = app.accessTokens.jwks()
    if (alg === 'HS256') return void t.same(jwks, { keys: [] }, 'an HMAC key is never published')
    const outside = localKeys(jwks)
    const options = { issuer, audience: issuer, typ: 'at+jwt', algorithms: [alg], currentDate: new Date(startMs) }
    t.equal((await jwtVerify(token, outside, options)).payload.sub, 'ada')
    const altered = `${token.slice(0, -10)}${token.at(-10) === 'A' ? 'B' : 'A'}${token.slice(-9)}`
    t.match(app.accessTokens.verify(altered), { ok: false, reason: 'token_forged' })
  })
}

t.test('100,000 requests across a rotation: not one is refused, here or by an outside service', async (t) => {
  const gateway = await openGateway(t)
  const { app, time } = gateway
  const outside = outsideService(gateway)
  const { kid, activeFrom } = await app.accessTokens.rotate()
  const firstMs = activeFrom - 200_000
  const kids = new Set<string>()
  let token = ''
  let refused = 0
  for (let i = 0; i < 100_000; i++) {
    time.nowMs = firstMs + i * 4
    if (i % 500 === 0) {
      token = app.accessTokens.issue(session).token
      kids.add(decodeProtectedHeader(token).kid ?? '')
      await outside(token)
    }
    if (!app.accessTokens.verify(token).ok) refused++
  }
  t.equal(refused, 0)
  t.equal(kids.size, 2)
  t.ok(kids.has(kid))
})

const localKeys = ({ keys }: { keys: PublicJwk[] }) => createLocalJWKSet({ keys: keys.map((key) => ({ ...key })) })

// Keeps the JWKS for as long as its max-age allows, and verifies with that copy.
function outsideService({ app, time }: KeyGateway): (token: string) => Promise<void> {
  let readAtMs = time.nowMs
  let keys = localKeys(app.accessTokens.jwks())
  return async (token) => {
    if (time.nowMs - readAtMs >= 300_000) {
      readAtMs = time.nowMs
      keys = localKeys(app.accessTokens.jwks())
    }
    await jwtVerify(token, keys, { issuer, audience: issuer, typ: 'at+jwt', currentDate: new Date(time.nowMs) })
  }
}

t.test('after an immediate rotation what the leaked key signed is refused, cached or not', async (t) => {
  const { app } = await openGateway(t)
  const { token } = app.accessTokens.issue(session)
  t.ok(app.accessTokens.verify(token).ok)
  await app.accessTokens.rotate({ immediately: true })
  t.match(app.accessTokens.verify(token), { ok: false, reason: 'token_foreign' })
  t.ok(app.accessTokens.verify(app.accessTokens.issue(session).token).ok)
})

t.test('a token is refused at the exact millisecond of exp, verified before or not', async (t) => {
  for (const clockToleranceSeconds of [0, 5, 60]) {
    const { app, time } = await openGateway(t, { clockToleranceSeconds })
    const { token, expiresInSeconds } = app.accessTokens.issue(session)
    const fresh = app.accessTokens.issue({ ...session, sub: 'bob' })
    const edgeMs = (expiresIn: number) => startMs + (expiresIn + clockToleranceSeconds) * 1000
    const first = app.accessTokens.verify(token)
    time.nowMs = edgeMs(expiresInSeconds) - 1
    t.ok(first.ok)
    t.equal(app.accessTokens.verify(token), first, 'from the cache, up to the last moment')
    time.nowMs += 1
    t.same(app.accessTokens.verify(token), { ok: false, reason: 'token_expired' })
    t.same(app.accessTokens.verify(token), { ok: false, reason: 'token_expired' }, 'and so it stays')
    time.nowMs = edgeMs(fresh.expiresInSeconds)
    t.same(app.accessTokens.verify(fresh.token), { ok: false, reason: 'token_expired' }, 'not in the cache')
  }
})

t.test('a token issued by a clock a little ahead is taken, one from far ahead is not', async (t) => {
  const { app, time } = await openGateway(t)
  time.nowMs = startMs + 5_000
  const { token } = app.accessTokens.issue(session)
  time.nowMs = startMs - 1
  t.same(app.accessTokens.verify(token), { ok: false, reason: 'token_expired' })
  time.nowMs = startMs
  t.ok(app.accessTokens.verify(token).ok)
})

t.test('the tolerance is at most a minute, and there is always an audience', async (t) => {
  for (const clockToleranceSeconds of [61, -1, Number.NaN]) {
    await t.rejects(openGateway(t, { clockToleranceSeconds }), /clock tolerance/)
  }
  await t.rejects(openGateway(t, { audiences: [] }), /audience/)
})

t.test('claims are frozen: a request cannot change what the next one with this token sees', async (t) => {
  const { app } = await openGateway(t)
  const verified = app.accessTokens.verify(app.accessTokens.issue(session).token)
  t.ok(verified.ok)
  if (!verified.ok) return
  t.throws(() => Object.assign(verified.claims, { sub: 'root' }))
  t.throws(() => Object.assign(verified.claims.roles, { 0: 'root' }))
})

t.test('a verified token costs its cryptography once', async (t) => {
  const { app } = await openGateway(t)
  const { token } = app.accessTokens.issue(session)
  const first = app.accessTokens.verify(token)
  t.equal(app.accessTokens.verify(token), first, 'the same response, not an equal one')
})

t.test('a token of a clock that was ahead is refused when the clock is back, cached or not', async (t) => {
  const { app, time } = await openGateway(t)
  time.nowMs += 600_000
  const { token } = app.accessTokens.issue({ ...session, rotatedAt: [time.nowMs] })
  t.match(app.accessTokens.verify(token), { ok: true }, 'and remembered')
  time.nowMs -= 600_000
  t.same(app.accessTokens.verify(token), { ok: false, reason: 'token_expired' })
  time.nowMs += 594_999
  t.same(app.accessTokens.verify(token), { ok: false, reason: 'token_expired' })
  time.nowMs += 1
  t.match(app.accessTokens.verify(token), { ok: true }, 'five seconds are what clocks of nodes may differ')
})

t.test('the cache is bounded, keeps what is used and forgets what is not', async (t) => {
  const cache = new LruMap<number>(100)
  cache.set('used', -1)
  for (let i = 0; i < 10_000; i++) {
    cache.set(`token ${i}`, i)
    if (cache.get('used') !== -1) t.fail(`forgotten while in use, at ${i}`)
    if (cache.size > 100) t.fail(`${cache.size} entries`)
  }
  t.equal(cache.get('token 0'), undefined)
  t.equal(cache.get('token 9999'), 9_999)
  cache.delete('used')
  t.equal(cache.get('used'), undefined)
})

t.test('the app says in one event each that it made a key, and closes without a sound', async (t) => {
  const { app } = await openGateway(t)
  t.equal(app.audit.counts()['keys_rotated'], 1)
  await app.accessTokens.rotate()
  t.equal(app.audit.counts()['keys_rotated'], 2)
  t.same(app.accessTokens.audiences, tokenOptions.audiences)
  await app.close()
})
