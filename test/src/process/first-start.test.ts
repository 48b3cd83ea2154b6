// The first admin of a store: whose password it gets, and what is said when CARDEA_ADMIN_PASSWORD cannot be it.
import t from 'tap'
import { verifyPassword } from '../../../plugins/credentials/password.ts'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import { ConfigError, loadConfig } from '../../../src/config/index.ts'
import { prepareFirstAdmin } from '../../../src/process/first-start.ts'

const load = (adminPassword: string) =>
  loadConfig({
    env: { CARDEA_ADMIN_PASSWORD: adminPassword, CARDEA_ISSUER: 'https://login.acme.example' },
    directory: '/nowhere',
  })

const production = {
  NODE_ENV: 'production',
  CARDEA_SECRET: 'zY3kQ0vX9rT7mB2wL5nC8hJ4dF6gS1pA',
  CARDEA_TRUSTED_PROXIES: 'none',
}

function violationsOf(env: Record<string, string>): string[] {
  try {
    loadConfig({ env: { ...env, CARDEA_ISSUER: 'https://login.acme.example' }, directory: '/nowhere' })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.violations
    throw error
  }
}

t.test('an admin password that could not be hashed is refused without being shown', async (t) => {
  const found = violationsOf({ CARDEA_ADMIN_PASSWORD: 'hunter2'.repeat(60) })
  t.match(found, [/^CARDEA_ADMIN_PASSWORD cannot be used/])
  t.notMatch(found.join(), /hunter2/)
  t.match(
    loadConfig({
      env: { ...production, CARDEA_ISSUER: 'https://login.acme.example', CARDEA_ADMIN_PASSWORD: 'tea at 9' },
      directory: '/nowhere',
    }).notes.join(),
    /shorter than 12/,
  )
})

t.test('an admin password is checked as any new one, and what stands around it is refused in plain words', (t) => {
  const wrong: [string, RegExp][] = [
    ['a', /at least 8 characters/],
    ['a good long one\n', /line feed/],
    ['a good long one\r\n', /line feed/],
    ['\ufeffa good long one', /byte order mark/],
    ['"a good long one"', /quotes/],
    ["'a good long one'", /quotes/],
    ['“a good long one”', /quotes/],
    [' a good long one', /blank/],
    ['a good long one ', /blank/],
    ['a good long one\u00a0', /blank/],
  ]
  for (const env of [{}, production]) {
    for (const [value, why] of wrong) {
      const found = violationsOf({ ...env, CARDEA_ADMIN_PASSWORD: value })
      t.match(found, [/^CARDEA_ADMIN_PASSWORD cannot be used: /], JSON.stringify(value))
      t.match(found, [why], JSON.stringify(value))
      t.notMatch(found.join(), /a good long one/)
    }
  }
  t.equal(load('say "no" twice').adminPassword, 'say "no" twice')
  t.end()
})

t.test('an admin password that is easy to guess stops the start, and no admin is added', async (t) => {
  const store = openEmbeddedStore({ file: ':memory:' })
  t.teardown(() => store.close())
  for (const weak of ['password1', 'admin-2026', 'Acme Login', 'qwertyuiop']) {
    const problem: unknown = await prepareFirstAdmin(store.users, load(weak)).catch((error) => error)
    t.ok(problem instanceof ConfigError, weak)
    t.match(problem, { violations: [/^CARDEA_ADMIN_PASSWORD is too easy to guess: It is .* Choose another\.$/] })
    t.notMatch(String(problem), weak)
  }
  t.equal(await store.users.count(), 0)
})

t.test('a later change of the admin password has no effect, and that is said', async (t) => {
  const store = openEmbeddedStore({ file: ':memory:' })
  t.teardown(() => store.close())
  const first = load('tea with nine of them')
  t.match(await (await prepareFirstAdmin(store.users, first))(), { outcome: 'added', from: 'CARDEA_ADMIN_PASSWORD' })
  const again = load('tea with nine of them')
  await prepareFirstAdmin(store.users, again)
  t.notMatch(again.notes.join(), /ADMIN_PASSWORD/, 'the same one needs no word')
  const changed = load('tea with ten of them')
  t.strictSame(await (await prepareFirstAdmin(store.users, changed))(), { outcome: 'present' })
  t.match(changed.notes.join(), /CARDEA_ADMIN_PASSWORD is not the password of admin and has no effect/)
  t.notMatch(changed.notes.join(), /tea with/)
  const user = await store.users.find('admin')
  t.ok(await verifyPassword(user?.passwordHash ?? '', 'tea with nine of them'))
})
