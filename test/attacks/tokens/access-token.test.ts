// Attacks on the header, the key, the signature and the spelling of access tokens:
// each token is right but for the one thing its title names, which the first test proves of the way they are made.
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import { CompactEncrypt, CompactSign, EncryptJWT, SignJWT } from 'jose'
import t from 'tap'
import type { SigningAlgorithm } from '../../../plugins/access-tokens/key-material.ts'
import { openGateway } from '../../plugins/access-tokens/gateway.ts'
import { encode, es256, openForge, parts, refused } from './forge.ts'

t.test('control: a token made the way the attacks are made is taken', async (t) => {
  const { forge, bearer, claims, kid } = await openForge(t)
  t.match(await bearer(forge()), { status: 200, access: { sub: claims['sub'] } })
  t.match(await bearer(forge(`{"kid":"${kid}","typ":"at+jwt","alg":"ES256"}`)), { status: 200 }, 'in any order')
})

t.test('any alg but the one registered for the key', async (t) => {
  const { forge, refused } = await openForge(t)
  const strange = [['ES256'], { alg: 'ES256' }, 1, 0, true, null, '']
  for (const alg of strange) {
    await refused(t, forge({ alg }), alg === '' ? 'token_forged' : 'token_malformed', JSON.stringify(alg))
  }
  await refused(t, forge({ alg: undefined }), 'token_malformed', 'missing')
  const names =
    'none None NONE nOnE HS256 HS384 HS512 hs256 es256 Es256 ES384 ES512 ES256K RS256 PS256 EdDSA Ed25519 dir'
  for (const alg of [...names.split(' '), ' ES256', 'ES256 ', 'ES256\n']) {
    const token = forge({ alg })
    await refused(t, token, 'token_forged', JSON.stringify(alg))
    const [head, payload] = parts(token)
    for (const signature of ['', 'AA', encode(Buffer.alloc(64))]) {
      await refused(
        t,
        `${head}.${payload}.${signature}`,
        signature ? 'token_forged' : 'token_malformed',
        `${alg} ${signature}`,
      )
    }
  }
})

// Everything an attacker can make of a published key, as the secret of an HMAC.
function formsOf(publicKey: KeyObject): [string, Buffer][] {
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const der = publicKey.export({ type: 'spki', format: 'der' })
  const jwk = publicKey.export({ format: 'jwk' })
  const bytes = (text: string | undefined) => Buffer.from(text ?? '', 'base64url')
  const forms: [string, string | Buffer][] = [
    ['PEM', pem],
    ['PEM without the last line feed', pem.trim()],
    ['PEM after a blank', ` ${pem}`],
    ['PEM after a line feed', `\n${pem}`],
    ['PEM after a zero-width blank', `\u200b${pem}`],
    ['PEM after a byte order mark', `\ufeff${pem}`],
    ['PEM with CRLF', pem.replaceAll('\n', '\r\n')],
    ['PEM in one line', pem.replaceAll('\n', '')],
    ['PEM with escaped line feeds', pem.replaceAll('\n', '\\n')],
    ['the base64 in the PEM', pem.replace(/-----[^-]+-----|\n/g, '')],
    ['DER', der],
    ['DER in hex', der.toString('hex')],
    ['DER in base64url', der.toString('base64url')],
    ['JWK', JSON.stringify(jwk)],
    ['JWKS', JSON.stringify({ keys: [jwk] })],
    ['x', bytes(jwk.x)],
    ['y', bytes(jwk.y)],
    ['x and y', Buffer.concat([bytes(jwk.x), bytes(jwk.y)])],
    ['the point', Buffer.concat([Buffer.of(4), bytes(jwk.x), bytes(jwk.y)])],
    ['x as text', jwk.x ?? ''],
    ['n', bytes(jwk.n)],
    ['n as text', jwk.n ?? ''],
    ['e', bytes(jwk.e)],
    ['nothing', ''],
    ['a NUL', '\0'],
  ]
  return forms.map(([name, form]) => [name, Buffer.from(form)])
}

for (const alg of ['ES256', 'EdDSA', 'RS256', 'PS256'] satisfies SigningAlgorithm[]) {
  t.test(`an HMAC under any form of the published ${alg} key`, async (t) => {
    const gateway = await openForge(t, { alg })
    const [jwk] = gateway.app.accessTokens.jwks().keys
    const published = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    const forms = [...formsOf(published), ['the JWK as served', Buffer.from(JSON.stringify(jwk))] as const]
    for (const [name, secret] of forms) {
      for (const [headerAlg, hash] of [
        ['HS256', 'sha256'],
        ['HS512', 'sha512'],
        [alg, 'sha256'],
      ] as const) {
        const input = `${encode(JSON.stringify({ ...gateway.header, alg: headerAlg }))}.${encode(JSON.stringify(gateway.claims))}`
        const mac = createHmac(hash, secret).update(input).digest('base64url')
        await gateway.refused(t, `${input}.${mac}`, 'token_forged', `${name}, ${headerAlg}`)
      }
    }
  })
}

t.test('HS256 with an empty key, and with the kid as the key', async (t) => {
  const gateway = await openGateway(t, { alg: 'HS256' })
  const { token } = gateway.app.accessTokens.issue(await gateway.signIn())
  t.match(await gateway.bearer(token), { status: 200 })
  const [header, payload] = parts(token)
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
  for (const secret of ['', '\0', kid, 'secret', Buffer.alloc(32)]) {
    const mac = createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url')
    await refused(gateway, t, `${header}.${payload}.${mac}`, 'token_forged')
  }
})

t.test('a key, or the address of one, in the header is never followed', async (t) => {
  const { forge, refused, header, claims } = await openForge(t)
  let visits = 0
  const trap = createServer((_request, response) => {
    visits++
    response.end('{"keys":[]}')
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void trap.close())
  const address = trap.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/jwks.json`
  const mine = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = mine.publicKey.export({ format: 'jwk' })
  for (const member of [
    { jku: url },
    { x5u: url },
    { x5u: 'file:///etc/passwd' },
    { jwk },
    { x5c: ['AAAA'] },
    { x5t: 'A' },
  ]) {
    await refused(t, forge(member), 'token_malformed', `${Object.keys(member)} signed by our key`)
    const token = await new SignJWT(claims)
      .setProtectedHeader({ ...header, alg: 'ES256', ...member })
      .sign(mine.privateKey)
    await refused(t, token, 'token_malformed', `${Object.keys(member)} signed by theirs`)
  }
  const plain = await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'ES256' }).sign(mine.privateKey)
  await refused(t, plain, 'token_forged', 'another key under our kid')
  t.equal(visits, 0)
})

t.test('a kid that is not one of ours', async (t) => {
  const { forge, refused, kid } = await openForge(t)
  const names = [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '',
    '0',
    '../../etc/passwd',
    '/dev/null',
    "' OR 1=1",
  ]
  for (const name of [...names, kid.toLowerCase(), `${kid} `, kid.slice(0, -1), 'subject-tag', 'x'.repeat(100)]) {
    await refused(t, forge({ kid: name }), 'token_foreign', name.slice(0, 20))
  }
  for (const name of [[kid], { kid }, 1, null, true, undefined]) {
    await refused(t, forge({ kid: name }), 'token_malformed', JSON.stringify(name))
  }
  for (const length of [300, 3_000, 6_000]) {
    await refused(t, forge({ kid: 'x'.repeat(length) }), 'token_malformed', `${length} characters`)
  }
  await refused(t, forge({ kid: `${kid}\0` }), 'token_foreign', 'a NUL behind ours')
})

t.test('crit, b64, zip, enc, cty or any other member in the header', async (t) => {
  const { forge, refused } = await openForge(t)
  const critical = [[], ['exp'], ['alg'], ['b64'], ['x'], 'exp', {}, null, true, 0, '', [null]]
  for (const crit of critical) {
    await refused(t, forge({ crit }), 'token_malformed', JSON.stringify(crit))
    await refused(t, forge({ crit, b64: true, x: 1 }), 'token_malformed')
  }
  const others = [
    { b64: true },
    { b64: false },
    { zip: 'DEF' },
    { enc: 'A256GCM' },
    { cty: 'JWT' },
    { nonce: 'x' },
    { x: {} },
  ]
  for (const member of others) await refused(t, forge(member), 'token_malformed', JSON.stringify(member))
  const unencoded = await new CompactSign(Buffer.from('{}'))
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', b64: true, crit: ['b64'] })
    .sign(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  await refused(t, unencoded, 'token_malformed', 'RFC 7797')
})

t.test('every other typ', async (t) => {
  const { forge, refused } = await openForge(t)
  const others = [
    'JWT',
    'jwt',
    'AT+JWT',
    'At+Jwt',
    'at+jwt ',
    'application/at+jwt',
    'at+jws',
    'logout+jwt',
    'dpop+jwt',
    '',
  ]
  for (const typ of [...others, null, 1, ['at+jwt'], undefined]) {
    await refused(t, forge({ typ }), 'token_malformed', JSON.stringify(typ))
  }
})

t.test('other spellings of the same bytes', async (t) => {
  const { forge, refused, bearer } = await openForge(t)
  const token = forge()
  const whole = parts(token)
  t.match(await bearer(token), { status: 200 }, 'cached, so that a spelling could hit the cache')
  for (const [i, part] of whole.entries()) {
    const spelled = (text: string) => whole.map((other, j) => (i === j ? text : other)).join('.')
    const loose = lastCharacterChanged(part)
    const spellings = [`${part}=`, `${part}==`, `${part}%3D`, `${part}A`, part.slice(0, -1), ...(loose ? [loose] : [])]
    spellings.push(
      `${part.slice(0, 4)}=${part.slice(4)}`,
      `${part.slice(0, 4)} ${part.slice(4)}`,
      `${part.slice(0, 4)}\t${part.slice(4)}`,
    )
    spellings.push(`${part.slice(0, 4)}\u00e9${part.slice(4)}`, `${part}+`, `${part}/`, `${part}!`, `${part}~`, '')
    for (const spelling of spellings) {
      const response = await bearer(spelled(spelling))
      t.match(
        response,
        { status: 401, code: 'invalid_token' },
        `part ${i}: ${spelling.slice(0, 12)}…${spelling.slice(-6)}`,
      )
      t.equal(response.events.length, 1)
    }
  }
  const standard = token.replaceAll('-', '+').replaceAll('_', '/')
  if (standard !== token) await refused(t, standard, 'token_malformed', 'the standard alphabet')
})

// Another last character that decodes to the same bytes: its spare bits are not zero.
function lastCharacterChanged(part: string): string | undefined {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const bytes = Buffer.from(part, 'base64url')
  return [...alphabet]
    .map((last) => part.slice(0, -1) + last)
    .find((text) => text !== part && bytes.equals(Buffer.from(text, 'base64url')))
}

t.test('signatures that are none: psychic, DER, of another length, doubled, transplanted', async (t) => {
  const { forge, refused, key } = await openForge(t)
  const [header, payload, signature] = parts(forge())
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const zero = Buffer.alloc(32)
  const one = Buffer.concat([Buffer.alloc(31), Buffer.of(1)])
  const above = Buffer.alloc(32, 0xff)
  const own = Buffer.from(signature, 'base64url')
  const [r, s] = [own.subarray(0, 32), own.subarray(32)]
  const halves = [
    [zero, zero],
    [zero, s],
    [r, zero],
    [order, s],
    [r, order],
    [order, order],
    [zero, order],
    [above, above],
    [one, one],
    [s, r],
  ]
  const forged = halves.map((pair) => Buffer.concat(pair))
  const der = Buffer.from(es256(`${header}.${payload}`, key, 'der'), 'base64url')
  forged.push(
    der,
    Buffer.concat([own, own]),
    Buffer.concat([own, Buffer.of(0)]),
    Buffer.concat([Buffer.of(0), own]),
    own.subarray(1),
  )
  forged.push(
    own.subarray(0, 63),
    Buffer.concat([Buffer.of(0), r, Buffer.of(0), s]),
    Buffer.from('30060201000201', 'hex'),
    Buffer.of(0),
  )
  for (const bytes of forged) {
    await refused(t, `${header}.${payload}.${encode(bytes)}`, 'token_forged', bytes.toString('hex').slice(0, 24))
  }
  const [, otherPayload, otherSignature] = parts(forge({}, { sub: 'root' }))
  await refused(t, `${header}.${otherPayload}.${signature}`, 'token_forged')
  await refused(t, `${header}.${payload}.${otherSignature}`, 'token_forged')
})

t.test('any count of parts but three, encrypted tokens among them', async (t) => {
  const { forge, refused, key, claims } = await openForge(t)
  const token = forge()
  const [header, payload, signature] = parts(token)
  const counted = [
    '',
    '.',
    '..',
    '...',
    '....',
    header,
    `${header}.${payload}`,
    `${token}.`,
    `.${token}`,
    `${token}.${signature}`,
  ]
  counted.push(
    `${token}.${payload}.${signature}`,
    `${header}..${signature}`,
    `${header}.${payload}.`,
    `.${payload}.${signature}`,
    '.'.repeat(8_000),
  )
  const jwe = await new EncryptJWT(claims).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(Buffer.alloc(32))
  const publicKey = createPublicKey(key)
  const nested = await new CompactEncrypt(Buffer.from(token))
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
    .encrypt(publicKey)
  for (const text of [...counted, jwe, nested]) {
    if (text === '') continue
    await refused(t, text, 'token_malformed', `${text.split('.').length} parts: ${text.slice(0, 12)}`)
  }
})
