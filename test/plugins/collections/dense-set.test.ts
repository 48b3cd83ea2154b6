// Tests of who is here now: everyone once, nobody who has left.
import t from 'tap'
import { DenseSet, type Listed } from '../../../plugins/collections/dense-set.ts'

interface Guest extends Listed {
  name: string
}

function guests(...names: string[]): { roster: DenseSet<Guest>; list: Guest[] } {
  const roster = new DenseSet<Guest>()
  const list = names.map((name) => ({ name, place: -1 }))
  for (const guest of list) roster.add(guest)
  return { roster, list }
}

const namesOf = (roster: DenseSet<Guest>) => [...roster].map(({ name }) => name).sort()

t.test('a roster holds who has come and not left, in whatever order they leave', async (t) => {
  const names = ['a', 'b', 'c', 'd']
  for (const leaving of names) {
    const { roster, list } = guests(...names)
    for (const guest of list) if (guest.name === leaving) roster.delete(guest)
    t.same(
      namesOf(roster),
      names.filter((name) => name !== leaving),
    )
    t.equal(roster.size, 3)
    for (const guest of list) roster.delete(guest)
    t.equal(roster.size, 0)
  }
})

t.test('who is not there cannot leave, nor make another leave', async (t) => {
  const { roster, list } = guests('a', 'b')
  roster.delete({ name: 'stranger', place: 0 })
  for (const guest of list.slice(0, 1)) {
    roster.delete(guest)
    roster.delete(guest)
  }
  t.same(namesOf(roster), ['b'])
})

t.test('whoever leaves during a walk is not met any more, and nobody is met twice', async (t) => {
  const { roster, list } = guests('a', 'b', 'c', 'd')
  const met: string[] = []
  for (const guest of roster) {
    met.push(guest.name)
    if (guest.name === 'a') for (const other of list.slice(0, 3)) roster.delete(other)
  }
  t.same(met, ['a', 'd'])
})
