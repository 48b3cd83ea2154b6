// The real clock of a real gateway that is set while it runs (libfaketime), on both stores: 40 days ahead, and back. Held clocks show
// the rest (test/plugins/clocks/clocks.test.ts).
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { fakedTime } from '../../support/processes/faked-time.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { startRedis } from '../../support/redis/server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const patienceMs = 60_000
const password = 'correct horse battery staple'

async function post(gateway: GatewayProcess, path: string, body: object, headers = {}) {
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  // Boundary: a token response, a problem, or nothing.
  const tokens = JSON.parse(text || '{}') as { access_token: string; refresh_token: string }
  return { status: response.status, tokens }
}

const signIn = (gateway: GatewayProcess) =>
  post(gateway, '/auth/login', { username: 'admin', password, delivery: 'body' })

for (const storeName of ['embedded', 'redis']) {
  t.test(
    `${storeName}: a clock that goes ahead and comes back purges no session and brings no revoked token back`,
    async (t) => {
      const time = fakedTime(t)
      const gateway = await GatewayProcess.start({
        CARDEA_DATA_DIR: join(temporaryFolder(t), 'data'),
        CARDEA_ADMIN_PASSWORD: password,
        ...(storeName === 'redis' && { REDIS_URL: (await startRedis(t)).url }),
        ...time.env,
      })
      t.teardown(async () => void (await gateway.stop()))
      const [leaving, staying] = [await signIn(gateway), await signIn(gateway)]
      t.strictSame([leaving.status, staying.status], [200, 200])
      const authorization = `Bearer ${leaving.tokens.access_token}`
      t.equal((await post(gateway, '/auth/logout', {}, { authorization })).status, 204)
      const jumps = () => gateway.output.filter((line) => line.includes('clock_jumped')).length
      time.set(40 * 86_400)
      await eventually('the jump is an alarm', () => jumps() >= 1, patienceMs)
      time.set(0)
      await eventually('so is the return', () => jumps() >= 2, patienceMs)
      const asked = await fetch(`${gateway.url}/auth/sessions`, { headers: { authorization } })
      t.equal(asked.status, 401, 'what was revoked is refused')
      const { refresh_token } = staying.tokens
      t.equal((await post(gateway, '/auth/token', { grant_type: 'refresh_token', refresh_token })).status, 200)
      t.equal((await signIn(gateway)).status, 200, 'and nobody waits for the old time to return')
    },
  )
}
