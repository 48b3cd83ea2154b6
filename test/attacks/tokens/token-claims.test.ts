// Attacks on the claims of access tokens and on what is remembered of them:
// each token is signed by the gateway's own key and right but for the one thing its title names.
import t from 'tap'
import { refreshTokenLength } from '../../../plugins/session-store/refresh-token.ts'
import { issuer, openGateway, startMs, tokenOptions } from '../../plugins/access-tokens/gateway.ts'
import { encode, es256, type Json, openForge, parts } from './forge.ts'

t.test('iss and aud that only look like ours', async (t) => {
  const { forge, refused, bearer, app } = await openForge(t)
  const issuers = [
    [issuer],
    [issuer, 'x'],
    { iss: issuer },
    `${issuer}/`,
    issuer.toUpperCase(),
    `${issuer}.evil`,
    '',
    null,
    1,
  ]
  for (const iss of [...issuers, undefined, ` ${issuer}`]) {
    await refused(t, forge({}, { iss }), 'token_foreign', JSON.stringify(iss))
  }
  const audiences = [
    'x',
    '',
    `${issuer}/`,
    [],
    ['x'],
    [[issuer]],
    [issuer, 1],
    [issuer, null],
    { 0: issuer },
    null,
    1,
    undefined,
  ]
  for (const aud of audiences) {
    await refused(t, forge({}, { aud }), 'token_foreign', JSON.stringify(aud))
    // The logout route asks the verifier only, so it must not leave this to the policies.
    t.match(app.accessTokens.verify(forge({}, { aud })), { ok: false, reason: 'token_foreign' })
  }
  t.match(await bearer(forge({}, { aud: ['x', issuer] })), { status: 200 })
})

t.test('claims of another type or form', async (t) => {
  const { forge, refused } = await openForge(t)
  const strange: Record<string, unknown[]> = {
    sub: ['', ' ', 'a b', 'a\r\nx-auth-roles: admin', 'a\0', 'ä', 'x'.repeat(256), null, 1, ['a'], {}, undefined],
    client_id: ['', null, 1, ['cardea'], undefined],
    jti: ['', 'short', null, 1, ['A'.repeat(24)], undefined],
    sid: ['', 'x', 'A'.repeat(31), 'A'.repeat(33), `${'A'.repeat(31)}=`, null, 1, ['A'.repeat(32)], undefined],
    gen: [0, -1, 1.5, '1', null, [1], true, undefined, 2 ** 53],
    scope: [null, 1, ['orders:read'], {}, undefined],
    roles: ['admin', null, { 0: 'admin' }, [1], [null], [['admin']], undefined],
    auth_time: ['1', null, [1], true, undefined],
  }
  for (const [name, values] of Object.entries(strange)) {
    for (const value of values) {
      await refused(
        t,
        forge({}, { [name]: value }),
        'token_malformed',
        `${name}: ${JSON.stringify(value)?.slice(0, 30)}`,
      )
    }
  }
  for (const payload of ['null', '[]', '1', '"x"', '', '{', '{}x', '\ufeff{}']) {
    await refused(t, forge({}, payload), payload === '' ? 'token_malformed' : 'token_forged', payload)
  }
  await refused(t, forge({}, '{}'), 'token_foreign')
})

t.test('times that are no numbers, or no finite ones', async (t) => {
  const { forge, refused, claims } = await openForge(t)
  const text = JSON.stringify(claims)
  const never = ['"9999999999"', 'null', '[9999999999]', '{}', 'true', '1e400', '-1e400', '""']
  for (const name of ['exp', 'iat', 'nbf']) {
    for (const value of never) {
      const payload =
        name === 'nbf'
          ? text.replace('"iat"', `"nbf":${value},"iat"`)
          : text.replace(RegExp(`"${name}":\\d+`), `"${name}":${value}`)
      await refused(t, forge({}, payload), 'token_malformed', `${name}: ${value}`)
    }
    await refused(t, forge({}, text.replace(/"(exp|iat)":\d+/, `"${name}":NaN`)), 'token_forged', 'NaN is not JSON')
  }
  await refused(t, forge({}, { exp: undefined }), 'token_malformed', 'no exp')
  await refused(t, forge({}, { iat: undefined }), 'token_malformed', 'no iat')
})

for (const clockToleranceSeconds of [0, 60]) {
  t.test(`a second before and after each edge, with a leeway of ${clockToleranceSeconds} s`, async (t) => {
    const { forge, refused, bearer, time } = await openForge(t, { clockToleranceSeconds })
    const now = startMs / 1000
    const good = (claims: Json) => bearer(forge({}, claims))
    t.match(await good({ exp: now - clockToleranceSeconds + 1 }), { status: 200 })
    await refused(t, forge({}, { exp: now - clockToleranceSeconds }), 'token_expired', 'at exp')
    await refused(t, forge({}, { exp: now - clockToleranceSeconds - 1 }), 'token_expired')
    await refused(t, forge({}, { exp: 0 }), 'token_expired')
    await refused(t, forge({}, { exp: -1 }), 'token_expired')
    t.match(await good({ nbf: now + clockToleranceSeconds }), { status: 200 })
    await refused(t, forge({}, { nbf: now + clockToleranceSeconds + 1 }), 'token_expired', 'before nbf')
    const ahead = Math.max(5, clockToleranceSeconds)
    t.match(await good({ iat: now + ahead }), { status: 200 })
    await refused(t, forge({}, { iat: now + ahead + 1 }), 'token_expired', 'from the future')
    const life = tokenOptions.ttlSeconds
    t.match(await good({ iat: now - life - clockToleranceSeconds + 1, exp: now + 1 }), { status: 200 })
    const old = forge({}, { iat: now - life - clockToleranceSeconds, exp: now + 1 })
    await refused(t, old, 'token_expired', 'older than a token may become, whatever its exp')
    const token = forge({}, { exp: now + 1 })
    t.match(await bearer(token), { status: 200 }, 'and now in the cache')
    time.nowMs = startMs + (1 + clockToleranceSeconds) * 1000
    await refused(t, token, 'token_expired', 'a cached token at exp')
  })
}

t.test('repeated members: refused in the header, the last one everywhere in the payload', async (t) => {
  const { forge, refused, bearer, claims, kid, key } = await openForge(t)
  const { access } = await bearer(forge({}, `{"sub":"root","roles":["admin"],${JSON.stringify(claims).slice(1)}`))
  t.match(access, { sub: claims['sub'], roles: [] })
  await refused(t, forge({}, JSON.stringify(claims).replace(/}$/, ',"iss":"https://evil.example"}')), 'token_foreign')
  for (const header of [
    `{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"${kid}"}`,
    `{"alg":"ES256","typ":"JWT","typ":"at+jwt","kid":"${kid}"}`,
    `{"alg":"ES256","typ":"at+jwt","kid":"x","kid":"${kid}"}`,
    `{"alg":"ES256","typ":"at+jwt","kid":"${kid}","kid":"${kid}"}`,
    `{"alg":"ES256","typ":"at+jwt","kid":"${kid}" }`,
    `{"\\u0061lg":"ES256","typ":"at+jwt","kid":"${kid}"}`,
    `{"alg":"ES256","typ":"at+jwt","kid":"${kid}","__proto__":{}}`,
    `{"typ":"at+jwt","kid":"${kid}","__proto__":{"alg":"ES256"}}`,
    `\ufeff{"alg":"ES256","typ":"at+jwt","kid":"${kid}"}`,
    `[{"alg":"ES256","typ":"at+jwt","kid":"${kid}"}]`,
    `"${kid}"`,
    'null',
    '{}',
    '[]',
    '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[',
  ]) {
    await refused(t, forge(header), 'token_malformed', header.slice(0, 50))
  }
  const invalidUtf8 = `${encode(Buffer.concat([Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"'), Buffer.of(0xff), Buffer.from('"}')]))}`
  const input = `${invalidUtf8}.${encode(JSON.stringify(claims))}`
  await refused(t, `${input}.${es256(input, key)}`, 'token_foreign', 'a kid that is not UTF-8')
})

t.test('a refresh token is no access token, and the reverse', async (t) => {
  const gateway = await openForge(t)
  const user = await gateway.store.users.find(String(gateway.claims['sub']))
  // Boundary: all that sessions read of a request.
  const request = { headers: {}, clientAddress: '127.0.0.1', log: gateway.app.log } as unknown as Parameters<
    typeof gateway.app.sessions.refresh
  >[1]
  const refreshToken = (user && (await gateway.app.sessions.start(user, '', request))?.refreshToken) ?? ''
  t.equal(refreshToken.length, refreshTokenLength)
  await gateway.refused(t, refreshToken, 'token_malformed')
  await gateway.refused(t, `${refreshToken}.${refreshToken}.${refreshToken}`, 'token_malformed')
  t.match(await gateway.app.sessions.refresh(gateway.forge(), request), { outcome: 'refused', reason: 'forged' })
})

t.test('a cached token lends nothing to its neighbours, and is looked at again each time', async (t) => {
  const { forge, refused, bearer, app, claims } = await openForge(t)
  const token = forge({}, { roles: ['admin'] })
  t.match(await bearer(token, '/admin'), { status: 200 })
  const [header, payload, signature] = parts(token)
  const others = parts(forge({}, { roles: ['root'] }))
  await refused(t, `${header}.${others[1]}.${signature}`, 'token_forged', 'another payload')
  await refused(t, `${header}.${payload}.${others[2]}`, 'token_forged', 'another signature')
  await refused(t, `${token.slice(0, -1)}${token.endsWith('A') ? 'Q' : 'A'}`, 'token_forged', 'another last character')
  for (const refusedOnce of [`${header}.${payload}.${encode(Buffer.alloc(64, 1))}`]) {
    await refused(t, refusedOnce, 'token_forged')
    await refused(t, refusedOnce, 'token_forged', 'again')
  }
  t.match(await bearer(token, '/admin'), { status: 200 }, 'unharmed by them')
  await app.sessions.end(String(claims['sid']), 'revoked_by_admin')
  await refused(t, token, 'token_revoked', 'cached and revoked')
})

t.test('a flood of refused tokens does not grow the cache or push out good ones', async (t) => {
  const { forge, app } = await openForge(t)
  const good = forge()
  const first = app.accessTokens.verify(good)
  const [header, payload] = parts(good)
  for (let i = 0; i < 500; i++) {
    const bytes = Buffer.alloc(64, 1)
    bytes.writeUInt32BE(i + 1, 0)
    t.notOk(app.accessTokens.verify(`${header}.${payload}.${encode(bytes)}`).ok)
  }
  t.equal(app.accessTokens.verify(good), first)
})

t.test('a token of 8,192 characters is looked at, a longer one is not', async (t) => {
  const { forge, refused, bearer } = await openForge(t)
  const padded = (characters: number) => forge({}, { x: 'x'.repeat(characters) })
  const base = padded(0).length
  let fill = Math.floor(((8_192 - base) * 3) / 4)
  while (padded(fill + 1).length <= 8_192) fill++
  t.match(await bearer(padded(fill)), { status: 200 })
  await refused(t, padded(fill + 1), 'token_malformed')
})

t.test('what is not a string is refused without a throw', async (t) => {
  const { app } = await openGateway(t)
  for (const token of [undefined, null, 1, {}, [], Symbol('x'), Buffer.from('a.b.c')]) {
    // As a caller without types could.
    const verified = app.accessTokens.verify(token as unknown as string)
    t.same(verified, { ok: false, reason: 'token_malformed' })
  }
})

t.test('the payload holds no password, address, device or anything else of the user', async (t) => {
  const gateway = await openGateway(t)
  const session = await gateway.signIn({ roles: ['admin'], scope: 'a' })
  const [header, payload] = parts(gateway.app.accessTokens.issue(session).token)
  const names = Object.keys(JSON.parse(Buffer.from(payload, 'base64url').toString())).sort()
  t.same(names, ['aud', 'auth_time', 'client_id', 'exp', 'gen', 'iat', 'iss', 'jti', 'roles', 'scope', 'sid', 'sub'])
  t.same(Object.keys(JSON.parse(Buffer.from(header, 'base64url').toString())).sort(), ['alg', 'kid', 'typ'])
})
