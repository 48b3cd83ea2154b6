// Passwords, user names and the hashing queue, each by itself, and `app.credentials` over them.
import { hash } from '@node-rs/argon2'
import t from 'tap'
import { HashingQueue } from '../../../plugins/credentials/hashing-queue.ts'
import {
  hashPassword,
  needsRehash,
  type owaspCost,
  passwordProblem,
  verifyPassword,
} from '../../../plugins/credentials/password.ts'
import { canonicalUserName, triedName } from '../../../plugins/credentials/user-name.ts'
import { Problem } from '../../../plugins/errors/index.ts'
import { cheapCost, startGateway } from '../../support/gateway.ts'

t.test('a password is hashed with argon2id at the cost OWASP asks for', async (t) => {
  const passwordHash = await hashPassword('secret')
  t.match(passwordHash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  t.not(await hashPassword('secret', cheapCost), await hashPassword('secret', cheapCost), 'each hash has its own salt')
  t.equal(await verifyPassword(passwordHash, 'secret'), true)
  t.equal(await verifyPassword(passwordHash, 'Secret'), false)
})

t.test('a password is compared exactly, but for the form Unicode text comes in', async (t) => {
  const matches = async (set: string, given: string) => verifyPassword(await hashPassword(set, cheapCost), given)
  t.equal(await matches('caf\u00e9', 'cafe\u0301'), true, 'NFC')
  t.equal(await matches('cafe\u0301', 'caf\u00e9'), true)
  t.equal(await matches('café', 'cafe'), false)
  t.equal(await matches('ﬁ', 'fi'), false, 'not NFKC')
  t.equal(await matches('a ', 'a'), false)
  t.equal(await matches(' a', 'a'), false)
  t.equal(await matches('x'.repeat(256), 'x'.repeat(255)), false, 'nothing is cut')
  const long = `${'x'.repeat(255)}y`
  t.equal(await matches(long, long), true)
  t.equal(await matches('🐴🔋', '🐴🔋'), true)
})

t.test('what cannot be a password is told in a sentence', (t) => {
  for (const good of ['x', ' ', '\n', 'x'.repeat(256), '🐴'.repeat(256), '\u00e9'.repeat(256), 'e\u0301'.repeat(256)]) {
    t.equal(passwordProblem(good), undefined, `${good.length} units`)
  }
  for (const bad of ['', 'a\0', 'x'.repeat(257), '🐴'.repeat(257), '\ud800', 'a\udc00b', '\u{1d160}'.repeat(100)]) {
    t.match(passwordProblem(bad), /^A password .*\.$/, `${bad.length} units`)
  }
  t.end()
})

t.test('a hash is replaced when it is of another algorithm or any parameter is lower', async (t) => {
  const made = (cost: Partial<typeof owaspCost>) => hashPassword('x', { ...cheapCost, ...cost })
  t.equal(needsRehash(await made({}), cheapCost), false)
  t.equal(needsRehash(await made({ memoryKib: 64 }), cheapCost), false, 'higher is fine')
  t.equal(needsRehash(await made({}), { ...cheapCost, memoryKib: 9 }), true)
  t.equal(needsRehash(await made({ memoryKib: 16 }), { ...cheapCost, passes: 2 }), true)
  t.equal(needsRehash(await made({ memoryKib: 16 }), { ...cheapCost, lanes: 2 }), true)
  const argon2i = await hash('x', { memoryCost: 19_456, timeCost: 2, parallelism: 1, algorithm: 1 })
  t.match(argon2i, /^\$argon2i\$/)
  t.equal(needsRehash(argon2i, cheapCost), true)
})

t.test('what the keyboard of a phone adds to a user name does not count', (t) => {
  const same: [string, string][] = [
    ['alice ', 'alice'],
    [' Alice', 'alice'],
    ['\t alice\u00a0\u3000 ', 'alice'],
    ["O'Brien@example.com", "o'brien@example.com"],
    ['o\u2019brien', "o'brien"],
    ['o\u02bcbrien ', "o'brien"],
  ]
  for (const [name, canonical] of same) t.equal(canonicalUserName(name), canonical, JSON.stringify(name))
  t.end()
})

t.test('a user name has one canonical form, or none', (t) => {
  const same: [string, string][] = [
    ['alice', 'alice'],
    ['ALICE', 'alice'],
    ['Ａｌｉｃｅ', 'alice'],
    ['\u212Aelvin', 'kelvin'],
    ['ﬁn', 'fin'],
    ['a.b_c@d+e-f', 'a.b_c@d+e-f'],
    ['0', '0'],
    ['a'.repeat(254), 'a'.repeat(254)],
    ['__proto__'.slice(2, 7), 'proto'],
    ['constructor', 'constructor'],
  ]
  for (const [name, canonical] of same) t.equal(canonicalUserName(name), canonical, name)
  const none = [
    '',
    ' ',
    'a b',
    ' '.repeat(321),
    'al ice',
    "'a",
    '.a',
    '-a',
    '_a',
    '@a',
    '+a',
    'a/b',
    'a\\b',
    'a:b',
    'a\0',
    'a\n',
    'é',
    'İ',
  ]
  none.push(
    'аlice',
    'a'.repeat(255),
    'a'.repeat(321),
    '__proto__',
    '\u2019',
    'a`b',
    'a"b',
    'a%b',
    'a{b}',
    '\ud800',
    'a\u200b',
  )
  for (const name of none) t.equal(canonicalUserName(name), undefined, JSON.stringify(name))
  t.equal(triedName('Alice'), 'alice')
  t.equal(triedName('Alice '), triedName('alice'), 'every spelling counts as one')
  t.equal(triedName('Al ice'), triedName('AL ICE'))
  t.notOk(canonicalUserName(triedName('a b')))
  t.ok(triedName('\ufdfa'.repeat(256)).length <= 65, 'bounded, whatever normalising makes of it')
  t.end()
})

t.test(
  'hashing runs in order, no more at a time than allowed, and refuses at once when the queue is full',
  async (t) => {
    const queue = new HashingQueue({ concurrency: 2, queue: 3 })
    const finish: (() => void)[] = []
    const started: number[] = []
    const work = (id: number) => () =>
      new Promise<number>((resolve) => {
        started.push(id)
        finish.push(() => resolve(id))
      })
    const running = [0, 1, 2, 3, 4].map((id) => queue.run(['a'], work(id)))
    await turn()
    t.strictSame(started, [0, 1])
    const before = performance.now()
    const problem: unknown = await queue.run(['a'], work(5)).catch((error) => error)
    t.ok(performance.now() - before < 50)
    t.ok(problem instanceof Problem)
    t.match(problem, { code: 'overloaded', headers: { 'Retry-After': '1' } })
    const done = []
    for (const promise of running) {
      // The next one starts when the one before has left.
      while (finish.length === 0) await turn()
      finish.shift()?.()
      done.push(await promise)
    }
    t.strictSame(done, [0, 1, 2, 3, 4])
    t.strictSame(started, [0, 1, 2, 3, 4])
  },
)

t.test('a failed hash frees its place, and one that waited too long is refused instead of run', async (t) => {
  let nowMs = 0
  let errorResponses = 0
  const queue = new HashingQueue({
    concurrency: 1,
    queue: 5,
    maxWaitMs: 100,
    clock: () => nowMs,
    onRefused: () => {
      errorResponses += 1
    },
  })
  await t.rejects(
    queue.run(['a'], () => Promise.reject(new Error('broken'))),
    { message: 'broken' },
  )
  let finish = () => {}
  const first = queue.run(['a'], () => new Promise<void>((resolve) => (finish = resolve)))
  let ran = false
  const late = queue.run(['a'], async () => {
    ran = true
  })
  await turn()
  nowMs = 90
  const fresh = queue.run(['a'], async () => 'fresh')
  nowMs = 101
  finish()
  await first
  await t.rejects(late, { code: 'overloaded' })
  t.equal(ran, false)
  t.equal(await fresh, 'fresh')
  t.equal(errorResponses, 1)
})

t.test('credentials answer a user, or nothing, after exactly one hash', async (t) => {
  const { app, store } = await startGateway(t)
  t.equal((await app.credentials.check('Alice', 'correct horse battery staple'))?.sub, 'alice')
  t.equal(await app.credentials.check('alice', 'x'), undefined)
  t.equal(await app.credentials.check('nobody', 'x'), undefined)
  t.equal(await app.credentials.check('', ''), undefined)
  await store.users.change('alice', { disabled: true })
  t.equal(await app.credentials.check('alice', 'correct horse battery staple'), undefined, 'disabled')
  t.match(await app.credentials.create({ username: 'Dora', password: 'long enough', roles: [], scope: '' }), {
    outcome: 'created',
    sub: 'dora',
  })
  t.match(await app.credentials.create({ username: 'DORA', password: 'another one', roles: [], scope: '' }), {
    outcome: 'exists',
  })
  t.match(await app.credentials.create({ username: ' ', password: 'long enough', roles: [], scope: '' }), {
    outcome: 'invalid',
  })
  const dora = await app.credentials.check('dora', 'long enough')
  if (!dora) throw new Error('dora cannot sign in')
  t.equal(dora.sub, 'dora')
  t.equal(await app.credentials.setPassword(dora, 'z'), true)
  t.equal(await app.credentials.check('dora', 'long enough'), undefined)
  t.equal(await app.credentials.setPassword({ sub: 'nobody', revision: 1 }, 'z'), false)
  t.equal(await app.credentials.setPassword(dora, 'w'), false, 'the user has been changed since')
  t.equal((await app.credentials.check('dora', 'z'))?.revision, 2)
})

/** Lets what is ready run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
