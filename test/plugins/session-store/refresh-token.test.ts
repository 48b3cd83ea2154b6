// The refresh token: its layout, its determinism, and everything that is not exactly one.
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import t from 'tap'
import { deriveSecrets, type Secret } from '../../../plugins/keys/secrets.ts'
import type { Session } from '../../../plugins/session-store/port/store.ts'
import {
  newSid,
  readRefreshToken,
  refreshTokenLength,
  subjectTag,
  writeRefreshToken,
} from '../../../plugins/session-store/refresh-token.ts'

const [secret, otherSecret] = secretsOf('s'.repeat(32), 't'.repeat(32))

function secretsOf(first: string, second: string): [Secret, Secret] {
  const [a, b] = deriveSecrets([first, second])
  if (!a || !b) throw new Error('two texts make two secrets')
  return [a, b]
}

const tagKey = Buffer.alloc(32, 7)
const session: Session = {
  sid: newSid('ana', tagKey),
  sub: 'ana',
  generation: 0x01020304,
  provenGeneration: 0,
  rotatedAt: [1_700_000_000_999],
  createdAt: 1_600_000_000_000,
  absoluteExpirySeconds: 1_702_592_000,
  idleTtlSeconds: 600,
  roles: [],
  scope: '',
  device: '',
  ip: '',
  amr: [],
  userRevision: 1,
}
const token = writeRefreshToken(session, secret)
const bytes = Buffer.from(token, 'base64url')
const claims = {
  sid: session.sid,
  generation: 0x01020304,
  issuedAtSeconds: 1_700_000_000,
  absoluteExpirySeconds: 1_702_592_000,
}

/** Signs bytes as the gateway would, so that only the rule under test can refuse them. */
function sign(signed: Buffer): string {
  const mac = createHmac('sha256', secret.refreshTokenKey).update(signed).digest()
  return Buffer.concat([signed, mac]).toString('base64url')
}

t.test('a token says what the session says, and is read back', async (t) => {
  t.strictSame(readRefreshToken(token, [secret]), claims)
  const largest = {
    ...session,
    generation: 0xffffffff,
    absoluteExpirySeconds: 0xffffffff,
    rotatedAt: [0xffffffff * 1000],
  }
  t.match(readRefreshToken(writeRefreshToken(largest, secret), [secret]), {
    generation: 0xffffffff,
    issuedAtSeconds: 0xffffffff,
    absoluteExpirySeconds: 0xffffffff,
  })
})

t.test('its bytes are laid out as docs/architecture.md says', async (t) => {
  t.equal(bytes.length, 70)
  t.equal(bytes.readUInt8(0), 1, 'version')
  t.equal(bytes.readUInt8(1), secret.keyId)
  t.equal(bytes.toString('base64url', 2, 26), session.sid)
  t.equal(bytes.readUInt32BE(26), claims.generation)
  t.equal(bytes.readUInt32BE(30), claims.issuedAtSeconds)
  t.equal(bytes.readUInt32BE(34), claims.absoluteExpirySeconds)
  t.equal(sign(bytes.subarray(0, 38)), token)
  t.equal(token.length, refreshTokenLength)
  t.match(token, /^[A-Za-z0-9_-]{94}$/)
  t.ok(`__Host-cardea_refresh=${token}`.length < 4096, 'it fits into a cookie')
})

t.test('the same session and key give the same bytes; what is not in the token does not change it', async (t) => {
  const moved = { ...session, provenGeneration: 1, rotatedAt: [1_700_000_000_000, 5], device: 'x', createdAt: 1 }
  t.equal(writeRefreshToken(structuredClone(session), secret), token)
  t.equal(writeRefreshToken(moved, secret), token)
  for (const change of [
    { generation: 0x01020305 },
    { sid: newSid('ana', tagKey) },
    { rotatedAt: [1_700_000_001_000] },
    { absoluteExpirySeconds: 1_702_592_001 },
  ]) {
    t.not(writeRefreshToken({ ...session, ...change }, secret), token)
  }
})

t.test('a token with any one bit flipped is refused', async (t) => {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes)
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    if (readRefreshToken(flipped.toString('base64url'), [secret, otherSecret])) t.fail(`bit ${bit}`)
  }
})

t.test('a token with any one character replaced, dropped or doubled is refused', async (t) => {
  for (let i = 0; i < token.length; i += 1) {
    const [before, after] = [token.slice(0, i), token.slice(i + 1)]
    for (const middle of [
      '',
      token[i] === 'A' ? 'B' : 'A',
      `${token[i]}${token[i]}`,
      '+',
      '/',
      '=',
      ' ',
      '.',
      '\n',
      '\0',
      'é',
    ]) {
      if (readRefreshToken(before + middle + after, [secret])) t.fail(`'${middle}' at ${i}`)
    }
  }
})

t.test('texts that a lenient decoder reads as the same bytes are refused', async (t) => {
  // 70 bytes end in a character of which two bits count: three other characters decode to the same byte.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.at(-1) ?? '')
  const twins = [...alphabet].filter((_, i) => i !== last && i >> 4 === last >> 4)
  t.equal(twins.length, 15)
  for (const twin of twins) {
    const text = token.slice(0, -1) + twin
    t.ok(Buffer.from(text, 'base64url').equals(bytes), 'the same bytes')
    t.equal(readRefreshToken(text, [secret]), undefined)
  }
  for (const text of [
    `${token}=`,
    `${token}==`,
    ` ${token}`,
    `${token}\n`,
    `${token}\r\n`,
    `${token}\0`,
    `"${token}"`,
  ]) {
    t.equal(readRefreshToken(text, [secret]), undefined)
  }
  t.equal(readRefreshToken(bytes.toString('base64'), [secret]), undefined)
  const unsafe = findTokenWith(/[-_]/)
  const standard = unsafe.replaceAll('-', '+').replaceAll('_', '/')
  t.not(standard, unsafe)
  t.equal(readRefreshToken(standard, [secret]), undefined, 'the other alphabet, without padding')
  t.ok(readRefreshToken(unsafe, [secret]))
})

function findTokenWith(pattern: RegExp): string {
  for (let generation = 1; ; generation += 1) {
    const text = writeRefreshToken({ ...session, generation }, secret)
    if (pattern.test(text)) return text
  }
}

t.test('texts of another kind are refused: empty, short, long, huge, a JWT, random bytes', async (t) => {
  const jwt = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ.'
  const texts = [
    '',
    'a',
    token.slice(1),
    token + token,
    'A'.repeat(94),
    'A'.repeat(1_000_000),
    jwt,
    jwt.padEnd(94, 'a'),
  ]
  for (const text of texts) t.equal(readRefreshToken(text, [secret]), undefined)
  for (let i = 0; i < 1000; i += 1) {
    t.equal(readRefreshToken(randomBytes(70).toString('base64url'), [secret]), undefined)
  }
})

t.test('a rightly signed token of another version, or of no known key, is refused', async (t) => {
  for (const version of [0, 2, 255]) {
    const signed = Buffer.from(bytes.subarray(0, 38))
    signed.writeUInt8(version, 0)
    t.equal(readRefreshToken(sign(signed), [secret]), undefined)
  }
  const signed = Buffer.from(bytes.subarray(0, 38))
  signed.writeUInt8(secret.keyId ^ 1, 1)
  t.equal(readRefreshToken(sign(signed), [secret]), undefined, 'the key id is not decoration')
  t.equal(readRefreshToken(token, []), undefined)
})

t.test('secrets rotate: the new one writes, the old one reads while it is listed', async (t) => {
  t.strictSame(readRefreshToken(token, [otherSecret, secret]), claims)
  t.equal(readRefreshToken(token, [otherSecret]), undefined)
  const renewed = writeRefreshToken(session, otherSecret)
  t.not(renewed, token)
  t.strictSame(readRefreshToken(renewed, [otherSecret, secret]), claims)
})

t.test('two secrets whose key ids happen to be equal are told apart by the MAC', async (t) => {
  const twin: Secret = { ...otherSecret, keyId: secret.keyId }
  t.strictSame(readRefreshToken(token, [twin, secret]), claims)
  t.strictSame(readRefreshToken(writeRefreshToken(session, twin), [secret, twin]), claims)
  t.equal(readRefreshToken(writeRefreshToken(session, twin), [secret]), undefined)
})

t.test('the MAC is made with the key for refresh tokens, not with the one that seals', async (t) => {
  t.not(writeRefreshToken(session, { ...secret, refreshTokenKey: secret.sealingKey }), token)
  const known = { ...secret, keyId: 9, refreshTokenKey: createSecretKey(Buffer.alloc(32, 1)) }
  const fixed = { ...session, sid: 'AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDD' }
  const expected = Buffer.concat([
    Buffer.from('0109', 'hex'),
    Buffer.from(fixed.sid, 'base64url'),
    Buffer.from('01020304' + '6553f100' + '657b7e00', 'hex'),
  ])
  const mac = createHmac('sha256', Buffer.alloc(32, 1)).update(expected).digest()
  t.equal(writeRefreshToken(fixed, known), Buffer.concat([expected, mac]).toString('base64url'))
})

t.test('a session whose numbers or sid do not fit is an error, never a token of something else', async (t) => {
  for (const change of [
    { generation: 0x100000000 },
    { generation: -1 },
    { absoluteExpirySeconds: 0x100000000 },
    { sid: 'short' },
    { sid: `${session.sid}A` },
    { sid: `${session.sid.slice(0, -1)}!` },
  ]) {
    t.throws(() => writeRefreshToken({ ...session, ...change }, secret))
  }
})

t.test("a sid is 32 characters: the subject's tag, then 18 random bytes", async (t) => {
  const sids = Array.from({ length: 100 }, () => newSid('ana', tagKey))
  const tag = createHmac('sha256', tagKey).update('ana').digest().subarray(0, 6).toString('base64url')
  t.equal(subjectTag('ana', tagKey), tag)
  for (const sid of sids) t.match(sid, new RegExp(`^${tag}[A-Za-z0-9_-]{24}$`))
  t.equal(new Set(sids).size, 100)
  t.not(subjectTag('bo', tagKey), tag)
  t.not(subjectTag('ana', Buffer.alloc(32, 8)), tag, 'without the key nobody can tell whose session it is')
})
