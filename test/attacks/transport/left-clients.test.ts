// Requests whose client left: every verb that changes something, ended with FIN and with RST at several moments, on both stores.
// Such a request is carried out whole and reported once, or it never came; nothing of it is an error of the gateway's.
import t, { type Test } from 'tap'
import type { HashingCost } from '../../../plugins/credentials/password.ts'
import { hashPassword } from '../../../plugins/credentials/password.ts'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../../plugins/keys/subject-tag.ts'
import { openRedisStore } from '../../../plugins/session-store/redis/index.ts'
import { subjectTag } from '../../../plugins/session-store/refresh-token.ts'
import { eventually } from '../../support/eventually.ts'
import {
  bearer,
  cheapCost,
  type GatewayOverrides,
  gatewaySecret,
  password,
  startGateway,
  type TestGateway,
  type Tokens,
} from '../../support/gateway.ts'
import { hangUps, type RawRequest, sendAndLeave } from '../../support/hanging-up.ts'
import { newPrefix, sharedRedis } from '../../support/redis/server.ts'

const redisUrl = await sharedRedis(t)
const cheapHash = await hashPassword(password, cheapCost)
/** About 50 ms of work, so that the client is gone before the password is checked. */
const slowCost: HashingCost = { memoryKib: 8_192, passes: 20, lanes: 1 }
const loginLimit = { max: 100_000, windowMs: 60_000 }
const otherPassword = 'another horse battery staple'

const stores: Record<string, GatewayOverrides['openStore']> = {
  embedded: undefined,
  redis: (clock) =>
    openRedisStore({
      url: redisUrl,
      prefix: newPrefix(),
      clock: clock.now,
      deadlineMs: 10_000,
      loadSubjectTag: async (keys) => {
        const key = await loadSubjectTagKey(keys, deriveSecrets([gatewaySecret]))
        return (text: string) => subjectTag(text, key)
      },
    }),
}

/** A request that is sent by somebody who leaves, and what must have become of it. */
interface Trial {
  request: RawRequest
  /** Whether all that it asks for is done. */
  isDone: () => Promise<boolean>
  /** Events that stand for it, once each: the reason, and a member that tells this trial from the others. */
  events: [reason: string, member: string, value: string][]
}

interface Scene {
  gateway: TestGateway
  /** An access token of an administrator. */
  admin: string
}

type Verb = (scene: Scene, number: number) => Promise<Trial>

async function addUser({ gateway }: Scene, number: number): Promise<{ sub: string; tokens: Tokens }> {
  const sub = `user${number}-${crypto.randomUUID().slice(0, 8)}`
  await gateway.store.users.add({ sub, passwordHash: cheapHash, roles: ['admin'], scope: '' })
  return { sub, tokens: await gateway.signIn(sub) }
}

const hasEnded = async ({ store }: TestGateway, { session_id }: Tokens) =>
  (await store.sessions.read(session_id))?.revokedAt !== undefined

const patch =
  (body: object, reason: string): Verb =>
  async (scene, number) => {
    const { sub, tokens } = await addUser(scene, number)
    const before = await scene.gateway.store.users.find(sub)
    return {
      request: { method: 'PATCH', url: `/admin/users/${sub}`, token: scene.admin, body },
      isDone: async () => {
        const after = await scene.gateway.store.users.find(sub)
        return after?.revision !== before?.revision && hasEnded(scene.gateway, tokens)
      },
      events: [
        ['user_changed', 'sub', sub],
        [reason, 'sid', tokens.session_id],
      ],
    }
  }

/** Ends sessions: `ask` says by what request. */
const ending =
  (
    ask: (own: { sub: string; tokens: Tokens }, scene: Scene) => RawRequest,
    reason: string,
    asked?: (own: { sub: string; tokens: Tokens }) => Trial['events'][number],
  ): Verb =>
  async (scene, number) => {
    const own = await addUser(scene, number)
    return {
      request: ask(own, scene),
      isDone: () => hasEnded(scene.gateway, own.tokens),
      events: [[reason, 'sid', own.tokens.session_id], ...(asked ? [asked(own)] : [])],
    }
  }

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

const revokeToken: Verb = async (scene, number) => {
  const { tokens } = await addUser(scene, number)
  const { jti } = claimsOf(tokens.access_token)
  return {
    request: { method: 'POST', url: '/admin/revocations', token: scene.admin, body: { kind: 'token', jti } },
    isDone: async () => {
      const seen = await scene.gateway.app.inject({ url: '/auth/sessions', headers: bearer(tokens) })
      return seen.statusCode === 401
    },
    events: [['revocation_asked', 'detail', `token ${jti}`]],
  }
}

// One that this store does not hold: it is told to every node, and reported, all the same.
const revokeKey: Verb = async ({ gateway, admin }, number) => {
  const kid = `key-${number}`
  return {
    request: { method: 'POST', url: '/admin/revocations', token: admin, body: { kind: 'signing_key', kid } },
    isDone: async () => {
      const { revocations } = await gateway.store.sessions.readRevocations({ sinceMs: 0 }, 0)
      return revocations.some((one) => one.kind === 'signing_key' && one.kid === kid)
    },
    events: [['revocation_asked', 'detail', `signing_key ${kid}`]],
  }
}

const refresh: Verb = async (scene, number) => {
  const { tokens } = await addUser(scene, number)
  const { session_id: sid, refresh_token } = tokens
  return {
    request: { method: 'POST', url: '/auth/token', body: { grant_type: 'refresh_token', refresh_token } },
    isDone: async () => (await scene.gateway.store.sessions.read(sid))?.generation === 2,
    events: [['rotated', 'sid', sid]],
  }
}

const reuse: Verb = async (scene, number) => {
  const { tokens } = await addUser(scene, number)
  const { post, app, clock } = scene.gateway
  const body = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
  const next = (await post('/auth/token', body)).json<Tokens>()
  await app.inject({ url: '/auth/sessions', headers: bearer(next) })
  clock.advance(11_000)
  return {
    request: { method: 'POST', url: '/auth/token', body },
    isDone: () => hasEnded(scene.gateway, tokens),
    events: [
      ['reused', 'sid', tokens.session_id],
      ['revoked_by_reuse', 'sid', tokens.session_id],
    ],
  }
}

const createUser: Verb = async ({ gateway, admin }, number) => {
  const username = `new${number}`
  return {
    request: { method: 'POST', url: '/admin/users', token: admin, body: { username, password, roles: ['admin'] } },
    isDone: async () => (await gateway.store.users.find(username)) !== undefined,
    events: [['user_added', 'sub', username]],
  }
}

const login: Verb = async ({ gateway }, number) => {
  const username = `person${number}`
  await gateway.store.users.add({ sub: username, passwordHash: cheapHash, roles: [], scope: '' })
  return {
    request: { method: 'POST', url: '/auth/login', body: { username, password, delivery: 'body' } },
    isDone: async () => (await gateway.store.sessions.list(username)).length === 1,
    events: [['login_ok', 'sub', username]],
  }
}

const ownPassword: Verb = async (scene, number) => {
  const { sub, tokens } = await addUser(scene, number)
  const other = await scene.gateway.signIn(sub)
  const before = await scene.gateway.store.users.find(sub)
  const body = { current_password: password, new_password: otherPassword }
  return {
    request: { method: 'POST', url: '/auth/password', token: tokens.access_token, body },
    isDone: async () => {
      const after = await scene.gateway.store.users.find(sub)
      return after?.revision !== before?.revision && hasEnded(scene.gateway, other)
    },
    events: [['password_changed', 'sid', other.session_id]],
  }
}

const verbs: Record<string, Verb> = {
  'disable a user': patch({ disabled: true }, 'user_disabled'),
  'take a user’s roles': patch({ roles: [] }, 'revoked_by_admin'),
  'end a session': ending(
    ({ tokens }, { admin }) => ({ method: 'DELETE', url: `/admin/sessions/${tokens.session_id}`, token: admin }),
    'revoked_by_admin',
  ),
  'end a subject’s sessions': ending(
    ({ sub }, { admin }) => ({ method: 'DELETE', url: `/admin/subjects/${sub}/sessions`, token: admin }),
    'revoked_by_admin',
  ),
  'revoke a session': ending(
    ({ tokens }, { admin }) => ({
      method: 'POST',
      url: '/admin/revocations',
      token: admin,
      body: { kind: 'session', sid: tokens.session_id },
    }),
    'revoked_by_admin',
    ({ tokens }) => ['revocation_asked', 'sid', tokens.session_id],
  ),
  'revoke a subject': ending(
    ({ sub }, { admin }) => ({
      method: 'POST',
      url: '/admin/revocations',
      token: admin,
      body: { kind: 'subject', sub },
    }),
    'revoked_by_admin',
    ({ sub }) => ['revocation_asked', 'sub', sub],
  ),
  'revoke a token': revokeToken,
  'revoke a signing key': revokeKey,
  refresh,
  'reuse a refresh token': reuse,
  'sign out': ending(
    ({ tokens: { refresh_token } }) => ({ method: 'POST', url: '/auth/logout', body: { refresh_token } }),
    'logout',
  ),
  'end one’s own sessions': ending(
    ({ tokens }) => ({ method: 'DELETE', url: '/auth/sessions', token: tokens.access_token }),
    'revoked_by_user',
  ),
  'end one of one’s own sessions': ending(
    ({ tokens }) => ({
      method: 'DELETE',
      url: `/auth/sessions/${tokens.session_id}`,
      token: tokens.access_token,
    }),
    'revoked_by_user',
  ),
}

const hashingVerbs: Record<string, Verb> = {
  'create a user': createUser,
  'set a user’s password': patch({ password: otherPassword }, 'password_changed'),
  'sign in': login,
  'change one’s own password': ownPassword,
}

for (const [name, openStore] of Object.entries(stores)) {
  const store = openStore && { openStore }
  t.test(`${name}: what a client asked for before it left is done and reported`, async (t) => {
    await playAll(t, verbs, await listening(t, { ...store, config: { loginLimit } }))
  })
  t.test(`${name}: and so it is where a password is hashed meanwhile`, async (t) => {
    await playAll(t, hashingVerbs, await listening(t, { ...store, cost: slowCost, config: { loginLimit } }))
  })
  t.test(`${name}: everyone is revoked and keys are rotated by a client that left`, async (t) => {
    await playForEveryone(t, await listening(t, { ...store, config: { loginLimit } }))
  })
}

interface Listening extends TestGateway {
  port: number
  /** Trials whose request the server has met. */
  met: Set<string>
  /** Resolves when every connection of before has been accepted and has ended. */
  idle: () => Promise<void>
}

async function listening(t: Test, overrides: GatewayOverrides): Promise<Listening> {
  const gateway = await startGateway(t, overrides)
  const { app } = gateway
  const met = new Set<string>()
  let open = 0
  app.server.on('connection', (socket) => {
    open += 1
    socket.once('close', () => {
      open -= 1
    })
  })
  app.server.on('request', ({ headers }) => void met.add(String(headers['x-trial'])))
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  // Connections are accepted in order: when the newest has its response, the others have been accepted.
  const idle = async () => {
    await fetch(`${url}/livez`, { headers: { connection: 'close' } }).then((response) => response.text())
    await eventually('no connection is open', () => open === 0, 30_000)
  }
  return { ...gateway, port: Number(new URL(url).port), met, idle }
}

async function playAll(t: Test, verbs: Record<string, Verb>, gateway: Listening): Promise<void> {
  const scene: Scene = { gateway, admin: (await gateway.signIn('root')).access_token }
  const trials = new Map<string, Trial>()
  for (const [title, verb] of Object.entries(verbs)) {
    for (const [i, leave] of hangUps.entries())
      trials.set(`${title}, ${leave.how} ${leave.afterMs} ms`, await verb(scene, i))
    // The clock may have been moved far enough for the token to end.
    scene.admin = (await gateway.signIn('root')).access_token
    const own = [...trials].slice(-hangUps.length)
    for (const [, { request }] of own) if (request.url.startsWith('/admin')) request.token = scene.admin
    const ids = own.map(([key]) => key.replace(/[^\w ,]/g, ''))
    await Promise.all(
      own.map(([, { request }], i) => sendAndLeave(gateway.port, request, ids[i] ?? '', hangUps[i % 8] ?? fail())),
    )
    await gateway.idle()
    for (const [i, [key, trial]] of own.entries()) {
      if (gateway.met.has(ids[i] ?? '')) await eventually(`${key}: done`, trial.isDone, 30_000)
      else t.notOk(await trial.isDone(), `${key}: never came`)
    }
    t.ok(own.filter((_, i) => gateway.met.has(ids[i] ?? '')).length >= 4, `${title}: most came`)
  }
  checkEvents(t, gateway, trials)
}

function checkEvents(t: Test, { events, met, log }: Listening, trials: Map<string, Trial>): void {
  for (const [key, trial] of trials) {
    const wanted = met.has(key.replace(/[^\w ,]/g, '')) ? 1 : 0
    for (const [reason, member, value] of trial.events) {
      t.equal(events(reason).filter((line) => line[member] === value).length, wanted, `${key}: ${reason}`)
    }
  }
  noErrors(t, log)
}

function noErrors(t: Test, log: readonly Record<string, unknown>[]): void {
  t.strictSame(
    log.filter(({ level, err }) => Number(level) >= 50 || err !== undefined),
    [],
    'a client that leaves is no error',
  )
}

// Each ends what the others stand on, so they come one after the other.
async function playForEveryone(t: Test, gateway: Listening): Promise<void> {
  const { signIn, app, clock, events, met } = gateway
  for (const [i, leave] of hangUps.entries()) {
    const admin = await signIn('root')
    clock.advance(2_000)
    const token = admin.access_token
    await sendAndLeave(gateway.port, { method: 'POST', url: '/admin/keys/rotate', token }, `keys ${i}`, leave)
    await gateway.idle()
    const rotations = [...met].filter((trial) => trial.startsWith('keys')).length
    await eventually('the key is rotated', () => events('keys_rotation_asked').length === rotations, 30_000)
    // One that is asked for while another is under way is the same.
    t.ok(events('keys_rotated').length >= 2)

    const body = { kind: 'everyone' }
    await sendAndLeave(gateway.port, { method: 'POST', url: '/admin/revocations', token, body }, `everyone ${i}`, leave)
    await gateway.idle()
    if (!met.has(`everyone ${i}`)) continue
    await eventually('everyone is revoked', async () => {
      return (await app.inject({ url: '/auth/sessions', headers: bearer(admin) })).statusCode === 401
    })
    clock.advance(2_000)
  }
  const asked = [...met].filter((trial) => trial.startsWith('everyone')).length
  await eventually('each is reported', () => events('revocation_asked').length === asked, 30_000)
  t.ok(asked >= 4)
  noErrors(t, gateway.log)
}

function fail(): never {
  throw new Error('no such way to leave')
}
