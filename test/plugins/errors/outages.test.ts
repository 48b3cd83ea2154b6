// Tests of what the log says while the store or a service is away: one line at once, one and a count a minute, whatever
// number of requests fails, and one when it is over; and what to do.
import { pino } from 'pino'
import t from 'tap'
import { isOutage, Outages } from '../../../plugins/errors/outages.ts'
import { errorTable } from '../../../plugins/errors/table.ts'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import { bearer, type LogLine, startGateway } from '../../support/gateway.ts'
import { freePort } from '../../support/processes/free-port.ts'

interface Entry {
  atMs: number
  act: () => void
}

/** Outages whose minutes the test lets pass. */
function heldOutages() {
  const lines: LogLine[] = []
  let nowMs = 0
  let waiting: Entry[] = []
  const later = (act: () => void, ms: number) => {
    const entry = { atMs: nowMs + ms, act }
    waiting.push(entry)
    return () => {
      waiting = waiting.filter((one) => one !== entry)
    }
  }
  const outages = new Outages(pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }), later)
  const pass = (ms: number) => {
    nowMs += ms
    const due = waiting.filter(({ atMs }) => atMs <= nowMs)
    waiting = waiting.filter(({ atMs }) => atMs > nowMs)
    for (const { act } of due) act()
  }
  return { outages, lines, pass, waiting: () => waiting.length }
}

t.test('an outage is one line at once and one line and a count a minute, until a minute without', async (t) => {
  const { outages, lines, pass, waiting } = heldOutages()
  const fail = (times: number) => {
    for (let i = 0; i < times; i += 1) outages.note('store_unavailable', { err: new Error(`no response ${i}`) })
  }
  fail(1000)
  t.match(lines.splice(0), [{ outage: 'store_unavailable', times: 1, msg: /store runs.*CARDEA_STORE_TIMEOUT/ }])
  pass(59_999)
  t.strictSame(lines, [])
  pass(1)
  t.match(lines.splice(0), [{ times: 999, err: { message: 'no response 999' } }])
  fail(3)
  outages.note('revocation_unknown', {})
  t.match(lines.splice(0), [{ outage: 'revocation_unknown', times: 1, msg: /CARDEA_MAX_STALENESS/ }])
  pass(60_000)
  t.match(lines.splice(0), [
    { outage: 'store_unavailable', times: 3 },
    { outage: 'revocation_unknown', isOver: true, total: 1 },
  ])
  pass(60_000)
  t.match(lines.splice(0), [{ outage: 'store_unavailable', isOver: true, total: 1003 }])
  pass(600_000)
  t.strictSame([lines, waiting()], [[], 0], 'it is over: nothing waits')
  fail(2)
  t.equal(lines.splice(0).length, 1, 'the next one is said at once')
  outages.close()
  t.match(lines, [{ outage: 'store_unavailable', times: 1 }], 'what was counted is not lost with the app')
  t.equal(waiting(), 0)
})

t.test('instances and causes are counted for themselves, and what is lacking here once for all', async (t) => {
  const { outages, lines, pass } = heldOutages()
  const refused = { detail: 'upstream_error ECONNREFUSED', prefix: '/a', origin: 'http://one' }
  for (let i = 0; i < 3; i += 1) {
    outages.note('upstream_unreachable', { reqId: `r${i}` }, refused)
    outages.note('upstream_unreachable', {}, { ...refused, origin: 'http://two' })
    outages.note('upstream_unreachable', {}, { ...refused, prefix: '/b' })
    outages.note('upstream_unreachable', {}, { ...refused, detail: 'upstream_error ETIMEDOUT' })
    for (const code of ['EMFILE', 'ECONNREFUSED', 'constructor', '']) outages.noteLack(code)
  }
  t.match(lines.splice(0), [
    { outage: 'upstream_unreachable', ...refused, reqId: 'r0', times: 1 },
    { origin: 'http://two' },
    { prefix: '/b' },
    { detail: 'upstream_error ETIMEDOUT' },
    { outage: 'EMFILE', times: 1, msg: /ulimit -n/ },
  ])
  pass(60_000)
  t.strictSame(
    lines.splice(0).map(({ times }) => times),
    [2, 2, 2, 2, 2],
  )
})

t.test('every row of the error table that is nobody’s request in particular is said together', async (t) => {
  for (const [code, { status }] of Object.entries<{ status: number }>(errorTable))
    t.equal(isOutage(code), status >= 502, code)
})

t.test('a service that is away costs a line a cause, and not one a request', async (t) => {
  const dead = `http://127.0.0.1:${await freePort()}`
  const routes: RouteConfig[] = [
    { prefix: '/dead', upstream: dead, policy: 'public', ejection: { failures: 5, first: '60s' } },
  ]
  const gateway = await startGateway(t, { config: { routes } })
  const before = gateway.log.length
  const statuses: number[] = []
  for (let i = 0; i < 20; i += 1) statuses.push((await gateway.app.inject({ url: '/dead/x' })).statusCode)
  t.strictSame([...new Set(statuses)], [502, 503])
  const lines = gateway.log.slice(before)
  t.match(
    lines.filter(({ outage }) => outage !== undefined),
    [
      {
        outage: 'upstream_unreachable',
        detail: 'upstream_error ECONNREFUSED',
        prefix: '/dead',
        origin: dead,
        times: 1,
      },
      { outage: 'upstream_unavailable', detail: 'upstream_out', prefix: '/dead', times: 1 },
    ],
  )
  // Beside those, that the instance was taken out.
  t.equal(lines.filter(({ level }) => Number(level) >= 40).length, 3)
  const each = lines.filter(({ level, event }) => level === 30 && event === 'service_failed')
  t.equal(new Set(each.map(({ reqId }) => reqId)).size, 20, 'each can be found')
  t.match(each[0], { method: 'GET', route: '/dead/*', instance: dead, detail: /^upstream_unreachable: .*ECONNREFUSED/ })
})

t.test('twenty requests while the store is away warn once, and are counted all the same', async (t) => {
  const gateway = await startGateway(t)
  const { refresh_token } = await gateway.signIn()
  gateway.store.sessions.rotate = () => Promise.reject(new StoreUnavailable('no response'))
  const refresh = () => gateway.post('/auth/token', { grant_type: 'refresh_token', refresh_token })
  const before = gateway.log.length
  for (let i = 0; i < 20; i += 1) t.equal((await refresh()).statusCode, 503)
  const warned = gateway.log.slice(before).filter(({ level }) => Number(level) >= 40)
  t.match(warned, [{ outage: 'store_unavailable', times: 1, err: { message: 'no response' } }])
  t.equal(warned.length, 1)
})

t.test('a node that cannot tell who is revoked warns once, and records each refusal', async (t) => {
  const gateway = await startGateway(t)
  const tokens = await gateway.signIn()
  gateway.app.revocation.isStale = () => true
  const before = gateway.log.length
  for (let i = 0; i < 20; i += 1)
    t.equal((await gateway.app.inject({ url: '/auth/sessions', headers: bearer(tokens) })).statusCode, 503)
  const warned = gateway.log.slice(before).filter(({ level }) => Number(level) >= 40)
  t.match(warned, [{ outage: 'revocation_unknown', times: 1 }])
  t.equal(warned.length, 1)
  t.equal(gateway.app.audit.counts()['revocation_unknown'], 20)
})
