// The form of a token is checked before any cryptography: here the verifier would take everything, and is never asked.
import t from 'tap'
import { AccessTokens } from '../../../plugins/access-tokens/access-token.ts'
import type { SigningAlgorithm } from '../../../plugins/access-tokens/key-material.ts'
import { SigningKeys } from '../../../plugins/access-tokens/signing-keys.ts'
import { isInP256Range, readShape } from '../../../plugins/access-tokens/token-shape.ts'
import { issuer, secrets, startMs, tokenOptions } from './gateway.ts'
import { MemoryKeys } from './memory-keys.ts'

const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url')
const header = (kid: string, alg = 'ES256') => encode(JSON.stringify({ alg, typ: 'at+jwt', kid }))

// A verifier without judgement, which counts how often it is asked.
async function openGullible(alg: SigningAlgorithm = 'ES256') {
  const clock = () => startMs
  const asked = { count: 0 }
  const claims = {
    iss: issuer,
    aud: issuer,
    sub: 'ada',
    client_id: 'cardea',
    iat: startMs / 1000,
    exp: startMs / 1000 + 60,
    jti: 'A'.repeat(24),
  }
  const rest = { sid: 'A'.repeat(32), gen: 1, scope: '', roles: [], auth_time: 1 }
  const verify = () => {
    asked.count++
    return { ...claims, ...rest }
  }
  const keys = await SigningKeys.open({
    store: new MemoryKeys(),
    secrets,
    alg,
    rotateEverySeconds: 86_400,
    keepForSeconds: 300,
    clock,
    openSigner: async () => ({ sign: () => '', verify, close: async () => undefined }),
    onMade: () => undefined,
    onFailure: () => undefined,
  })
  const tokens = new AccessTokens(keys, { ...tokenOptions, verifiedTokensMax: 10, clock })
  return { tokens, asked, kid: keys.current().kid }
}

t.test('an algorithm or a signature that the key cannot have made never reaches the verifier', async (t) => {
  const { tokens, asked, kid } = await openGullible()
  const one = Buffer.alloc(32, 1)
  const good = Buffer.concat([one, one])
  t.ok(tokens.verify(`${header(kid)}.${encode('{}')}.${encode(good)}`).ok)
  t.equal(asked.count, 1, 'control: it would take anything')
  const wrong = [
    Buffer.alloc(64),
    Buffer.concat([one, Buffer.alloc(32)]),
    good.subarray(1),
    Buffer.concat([good, good]),
    Buffer.of(1),
  ]
  for (const signature of wrong) {
    const token = `${header(kid)}.${encode('{}')}.${encode(signature)}`
    t.same(tokens.verify(token), { ok: false, reason: 'token_forged' }, signature.toString('hex').slice(0, 20))
  }
  for (const alg of ['none', 'HS256', 'ES384', 'es256', '']) {
    const token = `${header(kid, alg)}.${encode('{}')}.${encode(good)}`
    t.same(tokens.verify(token), { ok: false, reason: 'token_forged' }, alg)
  }
  t.same(tokens.verify(`${header('another')}.${encode('{}')}.${encode(good)}`), { ok: false, reason: 'token_foreign' })
  t.equal(asked.count, 1)
})

t.test('a signature of another length than the key makes never reaches the verifier', async (t) => {
  for (const [alg, bytes] of [
    ['HS256', 32],
    ['EdDSA', 64],
    ['RS256', 384],
    ['PS256', 384],
    ['ES256', 64],
  ] as const) {
    const { tokens, asked, kid } = await openGullible(alg)
    const verify = (length: number) =>
      tokens.verify(`${header(kid, alg)}.${encode('{}')}.${encode(Buffer.alloc(length, 1))}`).ok
    for (const length of [1, bytes - 1, bytes + 1, 2 * bytes]) t.notOk(verify(length), `${alg}: ${length} bytes`)
    t.equal(asked.count, 0)
    t.ok(verify(bytes))
  }
})

t.test('exactly three parts, none of them empty', async (t) => {
  const [head, part] = [header('a'), encode('{}')]
  t.match(readShape(`${head}.${part}.${part}`), { alg: 'ES256', kid: 'a', signature: Buffer.from('{}') })
  const wrong = [head, `${head}.${part}`, `${head}.${part}.${part}.${part}`, `${head}.${part}.${part}.${part}.${part}`]
  wrong.push(
    `.${part}.${part}`,
    `${head}..${part}`,
    `${head}.${part}.`,
    `${head}.${part}.${part}.`,
    `.${head}.${part}.${part}`,
  )
  for (const token of [...wrong, '', '.', '..', '...']) t.equal(readShape(token), undefined, token)
})

t.test('the header is a small object of three strings', async (t) => {
  const shapeOf = (text: string) => readShape(`${encode(text)}.AA.AA`)
  t.ok(shapeOf('{"alg":"a","typ":"at+jwt","kid":"b"}'))
  for (const text of ['null', '[]', '["at+jwt"]', '1', '"x"', 'true', '', '{', '{"alg":"a","typ":"at+jwt"}']) {
    t.equal(shapeOf(text), undefined, text)
  }
  t.ok(readShape(`${header('k'.repeat(150))}.AA.AA`))
  t.equal(readShape(`${header('k'.repeat(160))}.AA.AA`), undefined, 'longer than any of ours')
  const longest = 'k'.repeat(192 - JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: '' }).length)
  t.equal(header(longest).length, 256)
  t.ok(readShape(`${header(longest)}.AA.AA`), 'as long as allowed')
  t.equal(readShape(`${header(`${longest}k`)}.AA.AA`), undefined)
})

t.test('a token is at most 8,192 characters long', async (t) => {
  const longest = `${header('a')}.${'A'.repeat(8_192 - header('a').length - 4)}.AA`
  t.equal(longest.length, 8_192)
  t.ok(readShape(longest))
  t.equal(readShape(`${longest}AA`), undefined)
})

t.test('each half of an ES256 signature is between 1 and the order of the group less 1', async (t) => {
  const hex = (text: string) => Buffer.from(text.padStart(64, '0'), 'hex')
  const order = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
  const [least, most] = [hex('01'), hex(`${order.slice(0, -1)}0`)]
  for (const good of [least, most]) t.ok(isInP256Range(Buffer.concat([good, most])))
  for (const bad of [hex('00'), hex(order), hex(`${order.slice(0, -1)}2`), hex('f'.repeat(64))]) {
    t.notOk(isInP256Range(Buffer.concat([bad, least])), bad.toString('hex'))
    t.notOk(isInP256Range(Buffer.concat([least, bad])), bad.toString('hex'))
  }
  t.notOk(isInP256Range(least), 'one half')
})
