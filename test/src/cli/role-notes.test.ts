// Tests of the note about a role that no user has: said by `config check`, once there are users, without changing the store.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import { notesOfRoles } from '../../../src/cli/role-notes.ts'
import { configOf } from '../../support/gateway.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

t.test('a role that a route asks for and no user has is a note', async (t) => {
  const dataDir = temporaryFolder(t)
  const upstream = 'http://127.0.0.1:9'
  const routes = [
    { prefix: '/a', upstream, policy: { roles: ['clerc', 'boss'] } },
    { prefix: '/b', upstream, methods: { PUT: { roles: ['clerc'] } } },
  ]
  const config = configOf({ config: { dataDir, routes } })
  t.strictSame(await notesOfRoles(config), [], 'there is no store yet')
  const file = join(dataDir, 'cardea.db')
  const store = openEmbeddedStore({ file })
  await store.users.add({ sub: 'ada', passwordHash: '', roles: ['clerk', 'boss'], scope: '' })
  await store.close()
  const before = readFileSync(file)
  t.strictSame(await notesOfRoles(config), ['no user has the role "clerc", which /a, /b asks for'])
  t.strictSame(readFileSync(file), before)
})
