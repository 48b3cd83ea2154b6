// CARDEA_SECRET and what is derived from it; sealing and unsealing.
import { hkdfSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import { deriveSecrets, type Secret, seal, unseal } from '../../../plugins/keys/secrets.ts'

const texts = ['a'.repeat(32), 'b'.repeat(32)] as const
const [newest, older] = secretsOf(texts)
const plaintext = Buffer.from('a private key')

function secretsOf(list: readonly [string, string]): [Secret, Secret] {
  const [a, b] = deriveSecrets(list)
  if (!a || !b) throw new Error('two texts make two secrets')
  return [a, b]
}

const hexOf = (key: KeyObject) => key.export().toString('hex')

t.test('each secret gives its own keys, one for each use, the same every time', async (t) => {
  const keys = [newest, older].flatMap((secret) => [hexOf(secret.refreshTokenKey), hexOf(secret.sealingKey)])
  t.equal(new Set(keys).size, 4)
  for (const key of keys) t.equal(key.length, 64)
  const [again] = secretsOf(texts)
  t.equal(again.keyId, newest.keyId)
  t.equal(hexOf(again.refreshTokenKey), hexOf(newest.refreshTokenKey))
  t.equal(hexOf(again.sealingKey), hexOf(newest.sealingKey))
  t.strictSame(deriveSecrets([]), [])
})

t.test('a secret keeps its key id and keys wherever it stands in the list', async (t) => {
  const [second, first] = secretsOf([texts[1], texts[0]])
  t.equal(first.keyId, newest.keyId)
  t.equal(hexOf(first.sealingKey), hexOf(newest.sealingKey))
  t.equal(second.keyId, older.keyId)
})

// A change of these bytes would log everyone out and make every sealed key unreadable.
t.test('the keys are those of HKDF-SHA-256 with the salt and purposes of today', async (t) => {
  const derive = (purpose: string, bytes: number) =>
    Buffer.from(hkdfSync('sha256', texts[0], 'cardea', purpose, bytes)).toString('hex')
  t.equal(hexOf(newest.refreshTokenKey), derive('refresh token', 32))
  t.equal(hexOf(newest.sealingKey), derive('sealed keys', 32))
  t.equal(newest.keyId, Number.parseInt(derive('key id', 1), 16))
  t.equal(hexOf(newest.sealingKey), 'e120a4c249bad4218a329285c27ad479e7444635684523e178a73f5afb824d9e')
})

t.test('what is sealed is unsealed, and is different and unreadable each time', async (t) => {
  const [one, two] = [seal(plaintext, 'label', newest), seal(plaintext, 'label', newest)]
  t.not(one, two)
  t.match(one, /^[A-Za-z0-9_-]+$/)
  t.notOk(Buffer.from(one, 'base64url').includes(plaintext))
  for (const sealed of [one, two]) t.strictSame(unseal(sealed, 'label', [newest]), plaintext)
  const large = Buffer.alloc(100_000, 3)
  t.strictSame(unseal(seal(large, 'ä', newest), 'ä', [newest]), large)
  t.strictSame(unseal(seal(Buffer.alloc(0), '', newest), '', [newest]), Buffer.alloc(0))
})

t.test('it opens under its own label only', async (t) => {
  const sealed = seal(plaintext, 'signing\nES256\nk1', newest)
  for (const label of ['', 'signing\nES256\nk2', 'signing\nES256\nk', 'signing\nES256\nk1 ', 'SIGNING\nES256\nk1']) {
    t.equal(unseal(sealed, label, [newest]), undefined)
  }
})

t.test('any one bit flipped, anything cut off or added, and it does not open', async (t) => {
  const sealed = Buffer.from(seal(plaintext, 'label', newest), 'base64url')
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const flipped = Buffer.from(sealed)
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    if (unseal(flipped.toString('base64url'), 'label', [newest, older])) t.fail(`bit ${bit}`)
  }
  for (let length = 0; length < sealed.length; length += 1) {
    if (unseal(sealed.subarray(0, length).toString('base64url'), 'label', [newest])) t.fail(`cut to ${length}`)
  }
  t.equal(unseal(Buffer.concat([sealed, Buffer.of(0)]).toString('base64url'), 'label', [newest]), undefined)
  for (const text of ['', '!!!', 'not sealed', '\0']) t.equal(unseal(text, 'label', [newest, older]), undefined)
})

t.test('secrets rotate: what the old one sealed opens while it is listed, and not after', async (t) => {
  const sealed = seal(plaintext, 'label', older)
  t.strictSame(unseal(sealed, 'label', [newest, older]), plaintext)
  t.equal(unseal(sealed, 'label', [newest]), undefined)
  t.equal(unseal(sealed, 'label', []), undefined)
})

t.test('two secrets whose key ids happen to be equal are both tried', async (t) => {
  const twin: Secret = { ...older, keyId: newest.keyId }
  t.strictSame(unseal(seal(plaintext, 'label', twin), 'label', [newest, twin]), plaintext)
  t.equal(unseal(seal(plaintext, 'label', twin), 'label', [newest]), undefined)
})
