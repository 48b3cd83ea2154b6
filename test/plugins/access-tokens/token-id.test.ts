// Ids of tokens: of the form that claims are read with, and no two alike, whatever is asked for at once.
import t from 'tap'
import { newTokenId } from '../../../plugins/access-tokens/token-id.ts'

t.test('ids are 144 bits in base64url, and no two are alike', async (t) => {
  const ids = Array.from({ length: 1000 }, newTokenId)
  t.equal(new Set(ids).size, ids.length)
  for (const id of ids) t.match(id, /^[A-Za-z0-9_-]{24}$/)
})
