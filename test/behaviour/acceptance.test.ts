// The gateway as its users meet it: a real process, real sockets, a real kill. What must hold end to end, and nothing that a
// test of one file already shows.
import t, { type Test } from 'tap'
import { eventually } from '../support/eventually.ts'
import { GatewayProcess } from '../support/processes/gateway-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const password = 'correct horse battery staple'

interface Tokens {
  access_token: string
  refresh_token: string
  session_id: string
}

async function startedGateway(t: Test, env: Record<string, string> = {}): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({
    CARDEA_DATA_DIR: temporaryFolder(t),
    CARDEA_LOGIN_LIMIT: '1000/1m',
    ...env,
  })
  t.teardown(() => gateway.stop())
  return gateway
}

async function signIn(gateway: GatewayProcess, username = 'admin', secret = gateway.adminPassword): Promise<Tokens> {
  const response = await post(gateway, '/auth/login', { username, password: secret, delivery: 'body' })
  if (response.status !== 200) throw new Error(`login answered ${response.status}: ${await response.text()}`)
  // The shape of a token response (docs/reference.md#http-routes).
  return (await response.json()) as Tokens
}

function post(gateway: GatewayProcess, path: string, body: unknown, headers: Record<string, string> = {}) {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }
  return fetch(gateway.url + path, init)
}

function refresh(gateway: GatewayProcess, refreshToken: string) {
  return post(gateway, '/auth/token', { grant_type: 'refresh_token', refresh_token: refreshToken })
}

async function refreshed(gateway: GatewayProcess, refreshToken: string): Promise<Tokens> {
  const response = await refresh(gateway, refreshToken)
  if (response.status !== 200) throw new Error(`refresh answered ${response.status}: ${await response.text()}`)
  // As above.
  return (await response.json()) as Tokens
}

function call(gateway: GatewayProcess, accessToken: string, path = '/demo/hello') {
  return fetch(gateway.url + path, { headers: { authorization: `Bearer ${accessToken}` } })
}

// One process for all that need nothing of their own: each test signs in anew. It stands before the first test: a file whose tests
// are over, as far as they are declared, ends.
const gateway = await startedGateway(t)

t.test('a refresh token used twice ends its session everywhere; the subject’s other sessions live on', async (t) => {
  const gateway = await startedGateway(t, { CARDEA_GRACE: '0s' })
  const phone = await signIn(gateway)
  const laptop = await signIn(gateway)
  const second = await refreshed(gateway, phone.refresh_token)
  t.equal((await call(gateway, second.access_token)).status, 200, 'the client has used what it was given')

  const replay = await refresh(gateway, phone.refresh_token)
  t.equal(replay.status, 400)
  t.match(await replay.json(), { error: 'invalid_grant', code: 'invalid_grant' })
  t.equal((await refresh(gateway, second.refresh_token)).status, 400, 'the newest token went with it')
  t.equal((await call(gateway, phone.access_token)).status, 401)
  t.equal((await call(gateway, second.access_token)).status, 401)

  t.equal((await call(gateway, laptop.access_token)).status, 200)
  t.ok((await refreshed(gateway, laptop.refresh_token)).access_token)
})

t.test('twenty parallel refreshes with one token yield one successor, byte for byte', async (t) => {
  const { refresh_token } = await signIn(gateway)
  const responses = await Promise.all(Array.from({ length: 20 }, () => refreshed(gateway, refresh_token)))
  t.equal(new Set(responses.map((response) => response.refresh_token)).size, 1)
  t.not(responses[0]?.refresh_token, refresh_token)
})

t.test('a restart keeps sessions, users and what was revoked', async (t) => {
  const kept = await signIn(gateway)
  const ended = await signIn(gateway)
  t.equal((await post(gateway, '/auth/logout', { refresh_token: ended.refresh_token })).status, 204)
  await gateway.restart()
  t.equal((await call(gateway, kept.access_token)).status, 200, 'its signing keys are the same')
  t.equal((await call(gateway, ended.access_token)).status, 401, 'a revocation outlives the process')
  t.ok((await refreshed(gateway, kept.refresh_token)).refresh_token)
  t.equal((await refresh(gateway, ended.refresh_token)).status, 400)
})

t.test('a kill in the middle of 1,000 refreshes loses no session', async (t) => {
  const gateway = await startedGateway(t, { CARDEA_REFRESH_LIMIT: 'off' })
  const newest = await Promise.all(Array.from({ length: 20 }, async () => (await signIn(gateway)).refresh_token))
  let responded = 0
  const rotateOften = async (client: number) => {
    for (let i = 0; i < 50; i++) {
      const response = await refreshed(gateway, newest[client] ?? '').catch(() => undefined)
      if (!response) return
      newest[client] = response.refresh_token
      responded += 1
      if (responded === 500) gateway.kill('SIGKILL')
    }
  }
  await Promise.all(newest.map((_, client) => rotateOften(client)))
  t.ok(responded >= 500 && responded < 1_000, `killed in the middle, after ${responded}`)
  await gateway.restart()
  for (const token of newest) t.equal((await refresh(gateway, token)).status, 200, 'its client goes on')
})

t.test('the service behind sees who asks, and never the refresh cookie nor a forged identity', async (t) => {
  const login = await post(gateway, '/auth/login', { username: 'admin', password: gateway.adminPassword })
  const [cookie = ''] = login.headers.getSetCookie()
  t.match(cookie, /^__Host-cardea_refresh=[^;]+; /)
  for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/']) t.match(cookie, attribute)
  // The shape of a token response (docs/reference.md#http-routes).
  const { access_token, session_id, ...rest } = (await login.json()) as Tokens
  t.notOk('refresh_token' in rest, 'the cookie carries it, the body does not')

  const refreshCookie = cookie.split(';', 1)[0] ?? ''
  const response = await fetch(`${gateway.url}/demo/orders?x=1`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${access_token}`,
      cookie: `theme=dark; ${refreshCookie}`,
      connection: 'keep-alive',
      'x-auth-subject': 'mallory',
      'X-Auth-Roles': 'root',
      x_auth_subject: 'mallory',
      'content-type': 'text/plain',
    },
    body: 'two apples',
  })
  t.equal(response.status, 200)
  // What the demo service answers with.
  const seen = (await response.json()) as {
    method: string
    path: string
    headers: Record<string, string>
    body: string
  }
  t.match(seen, { method: 'POST', body: 'two apples' })
  t.match(seen.path, /\/orders\?x=1$/)
  t.match(seen.headers, { 'x-auth-subject': 'admin', 'x-auth-session': session_id, 'x-auth-roles': 'admin' })
  t.equal(seen.headers['cookie'], 'theme=dark')
  const all = JSON.stringify(seen)
  for (const secret of ['mallory', 'root', refreshCookie, access_token]) t.notOk(all.includes(secret))
})

t.test('an admin adds a user; disabling the user ends what they had', async (t) => {
  const asked = { username: 'admin', password: gateway.adminPassword, delivery: 'body', resource: 'urn:cardea:admin' }
  // Boundary: a token response.
  const admin = (await (await post(gateway, '/auth/login', asked)).json()) as Tokens
  const bearer = { authorization: `Bearer ${admin.access_token}` }
  const user = { username: 'alice', password, roles: ['staff'] }
  t.equal((await post(gateway, '/admin/users', user, bearer)).status, 201)
  t.equal((await post(gateway, '/admin/users', user, bearer)).status, 409)
  const alice = await signIn(gateway, 'alice', password)
  t.equal((await call(gateway, alice.access_token, '/admin/users')).status, 401, 'it is for the services')
  await gateway.cli(['users', 'disable', 'alice'])
  await eventually('the gateway hears of it', async () => (await call(gateway, alice.access_token)).status === 401)
  t.equal((await refresh(gateway, alice.refresh_token)).status, 400)
  await t.rejects(signIn(gateway, 'alice', password), /401/)
})
