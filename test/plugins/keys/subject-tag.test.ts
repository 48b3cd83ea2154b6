// The store's key for subject tags: made once, the same for everyone, kept through a change of secrets.
import t from 'tap'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../../plugins/keys/subject-tag.ts'
import { MemoryKeys } from '../access-tokens/memory-keys.ts'

const [oldSecret, newSecret] = ['the old secret of 32 characters or more', 'the new secret of 32 characters or more']

t.test('the key is made at the first start and found at the next', async (t) => {
  const keys = new MemoryKeys()
  const secrets = deriveSecrets([oldSecret])
  const made = await loadSubjectTagKey(keys, secrets)
  t.equal(made.length, 32)
  t.same(await loadSubjectTagKey(keys, secrets), made)
  t.notOk(JSON.stringify([...keys.rows.values()]).includes(made.toString('base64url')), 'it is sealed')
})

t.test('nodes that start together on an empty store agree on one key', async (t) => {
  const keys = new MemoryKeys()
  const secrets = deriveSecrets([oldSecret])
  const loaded = await Promise.all(Array.from({ length: 8 }, () => loadSubjectTagKey(keys, secrets)))
  for (const key of loaded) t.same(key, loaded[0])
  t.equal(keys.rows.size, 1)
})

t.test('after one start under a new secret the old one can leave the list', async (t) => {
  const keys = new MemoryKeys()
  const made = await loadSubjectTagKey(keys, deriveSecrets([oldSecret]))
  t.same(await loadSubjectTagKey(keys, deriveSecrets([newSecret, oldSecret])), made)
  t.same(await loadSubjectTagKey(keys, deriveSecrets([newSecret])), made)
  await t.rejects(loadSubjectTagKey(keys, deriveSecrets([oldSecret])), /CARDEA_SECRET/)
})

t.test('a key that no secret opens stops the start, and is left as it was', async (t) => {
  const keys = new MemoryKeys()
  await loadSubjectTagKey(keys, deriveSecrets([oldSecret]))
  const before = [...keys.rows.values()]
  await t.rejects(loadSubjectTagKey(keys, deriveSecrets([newSecret])), /CARDEA_SECRET.*CARDEA_DATA_DIR/)
  t.same([...keys.rows.values()], before)
})

t.test('a sealed key cannot be passed off as a key of another use', async (t) => {
  const keys = new MemoryKeys()
  const secrets = deriveSecrets([oldSecret])
  await loadSubjectTagKey(keys, secrets)
  const [row] = keys.rows.values()
  t.ok(row)
  if (row) keys.rows.set(row.id, { ...row, alg: 'HS256' })
  await t.rejects(loadSubjectTagKey(keys, secrets), /CARDEA_SECRET/)
})
