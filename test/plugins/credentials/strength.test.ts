// New passwords that are easy to guess: what is refused, what is not, and where each is said.
import t from 'tap'
import { newPasswordProblem } from '../../../plugins/credentials/password.ts'
import { contextOf, violationOf } from '../../../plugins/credentials/strength.ts'
import { bearer, password, startGateway } from '../../support/gateway.ts'

const context = contextOf('alice.miller', 'https://login.acme-tools.example')

t.test('the commonest passwords, keyboard rows, years and repetitions are refused', async (t) => {
  for (const weak of [
    'password1',
    '12345678',
    'qwertyuiop',
    'iloveyou',
    'Passw0rd!',
    'aaaaaaaa',
    'sunshine1',
    'government',
  ]) {
    t.match(await violationOf(weak, context), /tried first/, weak)
  }
})

t.test('the user’s own name, the issuer’s name and words of it are refused, in any case and with a year', async (t) => {
  const own = [
    'alice.miller',
    'Alice.Miller',
    'miller2026',
    'ALICE-1234',
    'acme-tools',
    'AcmeTools1',
    'Login Acme 1',
    'cardea cardea',
  ]
  for (const weak of own) t.match(await violationOf(weak, context), /the user name or the name of this service/, weak)
  t.strictSame(contextOf('al', 'http://127.0.0.1:3000'), ['127.0.0.1', '127', 'cardea'])
})

t.test('what nobody would guess passes, whatever its alphabet and length', async (t) => {
  const strong = [password, 'nmK3x9pQ', 'acme is where I drink tea', 'пароль от третьей двери', 'xxxKz7#Kz7#Kz7#qpw']
  for (const good of strong) t.equal(await violationOf(good, context), undefined, good)
})

t.test(
  'no more than 32 characters are judged: what is weak so far is weak, and a strong tail makes no work',
  async (t) => {
    t.type(await violationOf(`${'password'.repeat(4)}nmK3x9pQ-Kz7#qpw`, context), 'string')
    t.equal(await violationOf(`${'password'.repeat(3)}nmK3x9pQ`, context), undefined, 'within them it counts')
  },
)

t.test('a password of any length is checked in bounded time', async (t) => {
  await violationOf('loads the dictionaries', [])
  const before = process.cpuUsage()
  for (const long of ['a1'.repeat(128), 'password'.repeat(32), 'l33t'.repeat(64)]) {
    t.type(await violationOf(long, context), 'string', long.slice(0, 9))
  }
  const { user } = process.cpuUsage(before)
  t.ok(user / 1000 < 3000, `${user / 1000} ms`)
})

t.test('a line feed, a byte order mark and what else nobody can type are refused', (t) => {
  for (const wrong of ['a good one\n', 'a good one\r\n', '\ufeffa good one', 'a good\tone', 'a good one\u0085']) {
    t.match(newPasswordProblem(wrong), /nobody can type/, JSON.stringify(wrong))
  }
  t.equal(newPasswordProblem(' a good one 👩‍👩‍👧 ñ'), undefined)
  t.end()
})

t.test('each route that sets a password refuses a weak one with its code, and changes nothing', async (t) => {
  const { app, post, signIn } = await startGateway(t)
  const [alice, root] = [await signIn(), await signIn('root')]
  const refused = { status: 400, code: 'weak_password' }
  const change = (current_password: string, new_password: string) =>
    post('/auth/password', { current_password, new_password }, { headers: bearer(alice) })
  t.match((await change(password, 'alice2026')).json(), {
    ...refused,
    errors: [{ in: 'body', path: '/new_password', message: /the user name/ }],
  })
  t.equal(
    (await change('wrong', 'alice2026')).statusCode,
    401,
    'who does not know the password hears nothing of the new one',
  )
  const headers = bearer(root)
  const create = await post('/admin/users', { username: 'bob', password: 'password1' }, { headers })
  t.match(create.json(), { ...refused, errors: [{ path: '/password' }] })
  const set = await app.inject({
    method: 'PATCH',
    url: '/admin/users/alice',
    headers,
    payload: { password: 'gateway123' },
  })
  t.match(set.json(), refused)
  t.equal((await post('/auth/login', { username: 'alice', password })).statusCode, 200)
  t.equal((await post('/auth/login', { username: 'bob', password: 'password1' })).statusCode, 401)
})
