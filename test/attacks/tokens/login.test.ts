// Attacks on the login: floods, guesses, and bodies meant for another parser.
import t from 'tap'
import { owaspCost } from '../../../plugins/credentials/password.ts'
import { password, startGateway } from '../../support/gateway.ts'

t.test('a flood of 200 logins is shed at once; the gateway goes on, and so does everyone else', async (t) => {
  const { app, post, events } = await startGateway(t, {
    // Slower than usual, so that on any machine the whole flood is there before the first hash is done.
    cost: { ...owaspCost, passes: 12 },
    config: { hashing: { concurrency: 1, queue: 8 } },
  })
  const began = performance.now()
  const shed: number[] = []
  const flood = Array.from({ length: 200 }, async (_, i) => {
    const response = await post('/auth/login', { username: `victim${i}`, password: 'guess' })
    if (response.statusCode === 503) shed.push(performance.now() - began)
    return response
  })
  const bystander = app
    .inject('/auth/sessions')
    .then((response) => [response.statusCode, performance.now() - began] as const)
  const responses = await Promise.all(flood)
  const allMs = performance.now() - began
  const overloaded = responses.filter((response) => response.statusCode === 503)
  t.equal(responses.length - overloaded.length, 9, 'one hashed and eight waited')
  t.ok(responses.every((response) => [401, 503].includes(response.statusCode)))
  t.match(overloaded[0]?.json(), { code: 'overloaded' })
  t.ok(Number(overloaded[0]?.headers['retry-after']) >= 1)
  t.ok(Math.max(...shed) < allMs, 'none of the refused waited for a hash of the others')
  const [status, tookMs] = await bystander
  t.equal(status, 401)
  t.ok(tookMs <= allMs)
  t.equal(events('hashing_overloaded').length, overloaded.length)
  t.equal((await post('/auth/login', { username: 'alice', password })).statusCode, 200, 'afterwards all is well')
})

t.test('guessing one password for many users, or many for one, is stopped', async (t) => {
  const limit = { max: 10, windowMs: 60_000 }
  const { post } = await startGateway(t, { config: { loginLimit: limit, addressLimit: limit } })
  const spraying = []
  for (let i = 0; i < 30; i++) {
    spraying.push(
      (await post('/auth/login', { username: `user${i}`, password: 'x' }, { remoteAddress: '192.0.2.1' })).statusCode,
    )
  }
  t.equal(spraying.filter((status) => status === 401).length, 10)
  const guessing = []
  for (let i = 0; i < 30; i++) {
    const remoteAddress = `198.51.100.${i}`
    guessing.push((await post('/auth/login', { username: 'alice', password: `${i}` }, { remoteAddress })).statusCode)
  }
  t.equal(guessing.filter((status) => status === 401).length, 10)
})

t.test('limits cannot be dodged by how the name is written', async (t) => {
  const { post } = await startGateway(t, { config: { loginLimit: { max: 4, windowMs: 60_000 } } })
  const spellings = ['alice', 'Alice', 'ALICE', 'aLiCe', 'ａｌｉｃｅ', 'Ａlice', '\u{1d41a}lice', 'ⓐlice', '𝓪lice']
  const seen = []
  for (const [i, username] of spellings.entries()) {
    seen.push((await post('/auth/login', { username, password: 'x' }, { remoteAddress: `198.51.100.${i}` })).statusCode)
  }
  t.strictSame(seen, [401, 401, 401, 401, 429, 429, 429, 429, 429])
})

t.test('a refused try is not hashed, and a password that cannot be is not counted', async (t) => {
  const { app, post } = await startGateway(t, { config: { loginLimit: { max: 2, windowMs: 60_000 } } })
  let checks = 0
  const check = app.credentials.check.bind(app.credentials)
  app.credentials.check = (username, given) => {
    checks += 1
    return check(username, given)
  }
  for (let i = 0; i < 5; i++) await post('/auth/login', { username: 'alice', password: 'a\0' })
  t.equal(checks, 0)
  for (let i = 0; i < 5; i++) {
    await post('/auth/login', { username: 'alice', password: 'x' }, { remoteAddress: `198.51.100.${i}` })
  }
  t.equal(checks, 2)
})

t.test('nothing of a login is in the log', async (t) => {
  const { post, signIn, log, events } = await startGateway(t, { config: { loginLimit: { max: 4, windowMs: 60_000 } } })
  const secret = 'a-very-secret-password'
  const { access_token, refresh_token } = await signIn()
  await post('/auth/login', { username: 'alice', password: secret })
  await post('/auth/login', { username: `${secret.toUpperCase()}!`, password: secret })
  await post('/auth/login', { username: 'alice', password: secret, extra: secret })
  await post('/auth/token', { grant_type: 'refresh_token', refresh_token })
  await post('/auth/token', { grant_type: 'refresh_token', refresh_token: `${refresh_token}x` })
  await post('/auth/logout', undefined, { headers: { authorization: `Bearer ${access_token}` } })
  const typo = `${secret}!`
  for (let i = 0; i < 6; i++) await post('/auth/login', { username: typo, password: secret })
  t.ok(events('login_limited').length > 0, 'a password in the wrong field, until the limit')
  const text = JSON.stringify(log)
  for (const kept of [secret, secret.toUpperCase(), access_token, refresh_token, password]) {
    t.notOk(text.includes(kept), kept.slice(0, 12))
  }
})
