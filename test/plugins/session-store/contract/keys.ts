// Contract: sealed keys.
import type { Test } from 'tap'
import type { SealedKey } from '../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../support/clock.ts'
import { type OpenStore, openScene } from './scene.ts'

const key: SealedKey = { id: 'k1', use: 'signing', alg: 'ES256', createdAt: 5, activeFrom: 9, sealed: 'c2VhbGVk' }

export function testKeys(t: Test, open: OpenStore, clock: Clock): void {
  t.test('keys are kept as added, each id once', async (t) => {
    const { store } = await openScene(t, open, clock)
    t.strictSame(await store.keys.list(), [])
    t.equal(await store.keys.add(key), true)
    t.equal(await store.keys.add({ ...key, sealed: 'b3RoZXI' }), false)
    const tag: SealedKey = {
      id: 'subject-tag',
      use: 'subject-tag',
      alg: '',
      createdAt: 1,
      activeFrom: 0,
      sealed: 'dGFn',
    }
    t.equal(await store.keys.add(tag), true)
    const byId = (await store.keys.list()).sort((a, b) => a.id.localeCompare(b.id))
    t.strictSame(byId, [key, tag])
  })

  t.test('of many who add one id at once, one does', async (t) => {
    const { store } = await openScene(t, open, clock)
    const adds = Array.from({ length: 10 }, (_, i) => store.keys.add({ ...key, sealed: `${i}` }))
    const added = await Promise.all(adds)
    t.equal(added.filter(Boolean).length, 1)
    t.strictSame(await store.keys.list(), [{ ...key, sealed: `${added.indexOf(true)}` }])
  })

  t.test('a key sealed anew keeps everything else; one that is not there is not made', async (t) => {
    const { store } = await openScene(t, open, clock)
    await store.keys.add(key)
    t.equal(await store.keys.replace('k1', 'YW5ldw'), true)
    t.equal(await store.keys.replace('k2', 'YW5ldw'), false)
    t.strictSame(await store.keys.list(), [{ ...key, sealed: 'YW5ldw' }])
  })

  t.test('a removed key is gone; removing it again is nothing', async (t) => {
    const { store } = await openScene(t, open, clock)
    await store.keys.add(key)
    await store.keys.add({ ...key, id: 'k2' })
    await store.keys.remove('k1')
    await store.keys.remove('k1')
    t.strictSame(await store.keys.list(), [{ ...key, id: 'k2' }])
  })

  t.test('a removed key never comes back, not even one that was removed before it was added', async (t) => {
    const { store } = await openScene(t, open, clock)
    await store.keys.add(key)
    for (const id of ['k1', 'k3']) {
      await store.keys.remove(id)
      t.equal(await store.keys.add({ ...key, id }), false)
      t.equal(await store.keys.replace(id, 'YW5ldw'), false)
    }
    t.strictSame(await store.keys.list(), [])
  })
  t.end()
}
