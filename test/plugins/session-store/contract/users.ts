// Contract: local identities.
import type { Test } from 'tap'
import type { Clock } from '../../../support/clock.ts'
import { type OpenStore, openScene, second } from './scene.ts'

export function testUsers(t: Test, open: OpenStore, clock: Clock): void {
  t.test('a user is found as added, at revision 1; a second one of the same name changes nothing', async (t) => {
    const { store } = await openScene(t, open, clock)
    const createdAt = clock.nowMs
    const bo = { sub: 'bo', passwordHash: '$argon2id$v=19$', roles: ['admin', 'reader'], scope: 'a b' }
    t.equal(await store.users.add(bo), true)
    clock.advance(second)
    t.equal(await store.users.add({ ...bo, passwordHash: 'other' }), false)
    t.strictSame(await store.users.find('bo'), { ...bo, disabled: false, createdAt, revision: 1 })
    t.equal(await store.users.find('Bo'), undefined, 'names are compared exactly; what is canonical the caller decides')
    t.equal(await store.users.find('nobody'), undefined)
  })

  t.test('a name may have an apostrophe, and 254 characters', async (t) => {
    const { store } = await openScene(t, open, clock)
    const names = ["o'brien@example.com", `o'${'b'.repeat(252)}`]
    for (const sub of names) t.equal(await store.users.add({ sub, passwordHash: sub, roles: [], scope: '' }), true)
    for (const sub of names) t.match(await store.users.find(sub), { sub, passwordHash: sub })
    t.equal(await store.users.change(names[0] ?? '', { disabled: true }), true)
    t.match(await store.users.find(names[0] ?? ''), { disabled: true })
  })

  t.test('of many who add one name at once, one does', async (t) => {
    const { store } = await openScene(t, open, clock)
    const adds = Array.from({ length: 10 }, (_, i) =>
      store.users.add({ sub: 'bo', passwordHash: `${i}`, roles: [], scope: '' }),
    )
    t.equal((await Promise.all(adds)).filter(Boolean).length, 1)
  })

  t.test('a change changes what it names, and raises the revision', async (t) => {
    const { store } = await openScene(t, open, clock)
    const user = await store.users.find('ana')
    t.equal(await store.users.change('ana', { disabled: true }), true)
    t.strictSame(await store.users.find('ana'), { ...user, disabled: true, revision: 2 })
    const rest = { passwordHash: 'new', roles: [], scope: '', disabled: false }
    t.equal(await store.users.change('ana', rest), true)
    t.strictSame(await store.users.find('ana'), { ...user, ...rest, revision: 3 })
    t.equal(await store.users.change('nobody', { disabled: true }), false)
    t.equal(await store.users.find('nobody'), undefined)
  })

  t.test('a change at a revision is refused when the user has been changed since', async (t) => {
    const { store } = await openScene(t, open, clock)
    t.equal(await store.users.change('ana', { passwordHash: 'by an administrator' }, 1), true)
    const changed = await store.users.find('ana')
    t.equal(await store.users.change('ana', { passwordHash: 'by a thief who was quick' }, 1), false)
    t.strictSame(await store.users.find('ana'), changed)
    t.equal(await store.users.change('ana', { disabled: true }, 2), true)
    t.equal(await store.users.change('nobody', { disabled: true }, 1), false)
  })

  t.test('parallel changes are all kept and all counted', async (t) => {
    const { store } = await openScene(t, open, clock)
    const changes = [{ roles: ['x'] }, { scope: 'y' }, { disabled: true }, { passwordHash: 'z' }]
    await Promise.all(changes.map((change) => store.users.change('ana', change)))
    t.match(await store.users.find('ana'), { roles: ['x'], scope: 'y', disabled: true, passwordHash: 'z', revision: 5 })
  })

  const root = { passwordHash: 'hash of root', roles: ['admin'], scope: '' }
  const demotions = [{ disabled: true }, { roles: [] }, { roles: ['reader'], passwordHash: 'x' }]

  t.test('the last administrator who can sign in is neither disabled nor demoted', async (t) => {
    const { store } = await openScene(t, open, clock)
    const { users } = store
    await users.add({ sub: 'root', ...root })
    await users.add({ sub: 'retired', ...root })
    t.equal(await users.change('retired', { disabled: true }), true, 'while there is another')
    const before = await users.find('root')
    for (const change of demotions) await t.rejects(users.change('root', change), { name: 'LastAdministrator' })
    t.strictSame(await users.find('root'), before)
    t.equal(await users.change('root', { passwordHash: 'new', roles: ['admin', 'reader'] }), true)
    t.equal(await users.change('ana', { disabled: true }), true, 'others are changed as ever')
    t.equal(await users.change('ana', { roles: ['admin'] }), true)
    await t.rejects(users.change('root', { disabled: true }), { name: 'LastAdministrator' }, 'ana cannot sign in')
    t.equal(await users.change('ana', { disabled: false }), true)
    t.equal(await users.change('root', { disabled: true }, 1), false, 'not at that revision')
    t.equal(await users.change('root', { disabled: true }), true)
    await t.rejects(users.change('ana', { roles: [] }), { name: 'LastAdministrator' })
  })

  t.test('of administrators who all disable one another at once, one stays', async (t) => {
    const { store } = await openScene(t, open, clock)
    const names = Array.from({ length: 8 }, (_, i) => `root-${i}`)
    for (const sub of names) await store.users.add({ sub, ...root })
    const changes = await Promise.allSettled(names.map((sub) => store.users.change(sub, { disabled: true })))
    t.equal(changes.filter(({ status }) => status === 'rejected').length, 1)
    const left = (await store.users.list('', 100)).filter(({ roles, disabled }) => roles[0] === 'admin' && !disabled)
    t.equal(left.length, 1)
  })

  t.test('a rehash replaces the hash it was made from, and leaves the revision', async (t) => {
    const { store } = await openScene(t, open, clock)
    const user = await store.users.find('ana')
    await store.users.rehash('ana', 'not the hash', 'new')
    await store.users.rehash('nobody', 'hash of ana', 'new')
    t.strictSame(await store.users.find('ana'), user)
    await store.users.rehash('ana', 'hash of ana', 'new')
    t.strictSame(await store.users.find('ana'), { ...user, passwordHash: 'new' })
  })

  t.test('users are listed by name, a page at a time, and counted', async (t) => {
    const { store } = await openScene(t, open, clock)
    for (const sub of ['zoe', 'bo', 'carl', 'ada'])
      await store.users.add({ sub, passwordHash: '', roles: [], scope: '' })
    const subs = async (after: string, limit: number) => (await store.users.list(after, limit)).map(({ sub }) => sub)
    t.strictSame(await subs('', 10), ['ada', 'ana', 'bo', 'carl', 'zoe'])
    t.strictSame(await subs('', 2), ['ada', 'ana'])
    t.strictSame(await subs('ana', 2), ['bo', 'carl'])
    t.strictSame(await subs('b', 1), ['bo'], 'later than a name that is not there')
    t.strictSame(await subs('zoe', 2), [])
    t.strictSame((await store.users.list('', 2))[1], await store.users.find('ana'))
    t.equal(await store.users.count(), 5)
  })
  t.end()
}
