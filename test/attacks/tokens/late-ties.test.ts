// Two sessions whose last tokens were issued in one second, on both stores: one read of the store tells which of them lives, and
// while the store is away nothing is set, cleared or ended.
import t, { type Test } from 'tap'
import { cookiePlaces, deviceCookieName } from '../../../plugins/browser/cookies.ts'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../../plugins/keys/subject-tag.ts'
import { type KeyStore, type Store, StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../plugins/session-store/redis/index.ts'
import { subjectTag } from '../../../plugins/session-store/refresh-token.ts'
import type { Clock } from '../../support/clock.ts'
import {
  bearer,
  browserHeaders,
  cookiesSetBy,
  type GatewayOverrides,
  gatewaySecret,
  password,
  startGateway,
} from '../../support/gateway.ts'
import { newPrefix, sharedRedis } from '../../support/redis/server.ts'

const url = await sharedRedis(t)
const alice = { username: 'alice', password }
const form = { grant_type: 'refresh_token' }
const stores: Record<string, GatewayOverrides> = { embedded: {}, Redis: { openStore: openRedis } }

async function openRedis(clock: Clock): Promise<Store> {
  return openRedisStore({ url, prefix: newPrefix(), clock: clock.now, loadSubjectTag, deadlineMs: 10_000 })
}

async function loadSubjectTag(keys: KeyStore): Promise<(sub: string) => string> {
  const key = await loadSubjectTagKey(keys, deriveSecrets([gatewaySecret]))
  return (sub) => subjectTag(sub, key)
}

/** An ended session in one place and the living one that followed it in the other, all within one second. */
async function startTie(t: Test, overrides: GatewayOverrides, livesIn: 0 | 1) {
  const gateway = await startGateway(t, overrides)
  const store = { reads: 0, isAway: false }
  const { sessions } = gateway.store
  const read = sessions.read.bind(sessions)
  sessions.read = async (sid) => {
    store.reads += 1
    if (store.isAway) throw new StoreUnavailable('away')
    return read(sid)
  }
  const signIn = async () => {
    const response = await gateway.post('/auth/login', alice)
    return { token: cookiesSetBy(response)[cookiePlaces[0].refresh]?.value ?? '', sid: response.json().session_id }
  }
  const old = await signIn()
  await gateway.app.sessions.end(old.sid, 'logout')
  const living = await signIn()
  const [one, other] = [old, living].map(({ token }) => gateway.app.sessions.claimsOf(token)?.issuedAtSeconds)
  t.equal(one, other, 'a tie')
  const of = cookiePlaces[livesIn]
  const ended = cookiePlaces[1 - livesIn] ?? of
  // Browsers send the older cookie first.
  const headers = browserHeaders(`${ended.refresh}=${old.token}; ${of.refresh}=${living.token}`)
  return { gateway, store, of, ended, living, headers }
}

for (const [name, overrides] of Object.entries(stores)) {
  for (const livesIn of [0, 1] as const) {
    const where = `${name}, it lives in ${cookiePlaces[livesIn]?.refresh}`

    t.test(`a tie: a refresh is of the session that lives, and touches no other cookie: ${where}`, async (t) => {
      const { gateway, store, of, living, headers } = await startTie(t, overrides, livesIn)
      store.reads = 0
      const response = await gateway.post('/auth/token', form, { headers })
      t.match(response.json(), { session_id: living.sid })
      t.strictSame(Object.keys(cookiesSetBy(response)), [of.refresh])
      t.equal(store.reads, 1)
    })

    t.test(`a tie: a sign-in and a new password take the place of the session that has ended: ${where}`, async (t) => {
      for (const path of ['/auth/login', '/auth/password']) {
        const { gateway, of, ended, living, headers } = await startTie(t, overrides, livesIn)
        const { access_token } = (await gateway.post('/auth/token', form, { headers })).json()
        const change = { current_password: password, new_password: 'another battery of staples' }
        const response = await gateway.post(path, path === '/auth/login' ? alice : change, {
          headers: { ...headers, ...(path === '/auth/password' && bearer({ access_token })) },
        })
        t.equal(response.statusCode, 200)
        const set = cookiesSetBy(response)
        t.strictSame(Object.keys(set).sort(), [deviceCookieName, of.refresh, ended.refresh].sort())
        t.ok(set[ended.refresh]?.value, path)
        t.equal(set[of.refresh]?.value, '', path)
        t.ok((await gateway.app.sessions.read(living.sid))?.endReason)
      }
    })

    t.test(`a tie while the store is away is 503, and nothing is set, cleared or ended: ${where}`, async (t) => {
      const { gateway, store, living, headers } = await startTie(t, overrides, livesIn)
      const { access_token } = (await gateway.post('/auth/login', { ...alice, delivery: 'body' })).json()
      store.isAway = true
      const change = { current_password: password, new_password: 'another battery of staples' }
      for (const [path, body, more] of [
        ['/auth/token', form, {}],
        ['/auth/login', alice, {}],
        ['/auth/password', change, bearer({ access_token })],
      ] as const) {
        const response = await gateway.post(path, body, { headers: { ...headers, ...more } })
        t.match(response.json(), { status: 503, code: 'store_unavailable' }, path)
        t.strictSame(cookiesSetBy(response), {}, path)
      }
      store.isAway = false
      t.equal((await gateway.app.sessions.read(living.sid))?.endReason, undefined)
      t.equal((await gateway.post('/auth/token', form, { headers })).json().session_id, living.sid)
    })
  }
}
