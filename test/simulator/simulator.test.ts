// The simulator as operators run it: the run of docs/performance.md as printed, the very same `decide`, recorded events of a real gateway, and
// what it says of each design where the response is known.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { type Figures, honestLogouts } from '../../simulator/figures.ts'
import { simulate } from '../../simulator/life.ts'
import { type PolicyName, type PolicySettings, startsOf } from '../../simulator/policies.ts'
import { startGateway, type TestGateway, type Tokens } from '../support/gateway.ts'
import { processEnvironment } from '../support/processes/process-environment.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const root = new URL('../..', import.meta.url).pathname

/** Runs the command line. @returns what it prints. @throws with `code` and `stderr` when it fails */
async function run(args: readonly string[], nodeArgs: readonly string[] = []): Promise<string> {
  const command = [...nodeArgs, 'simulator/run.ts', ...args]
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root, env: processEnvironment() })
  return stdout
}

const small = ['--sessions', '400', '--days', '7']

t.test('the run in docs/performance.md prints what the page says', async (t) => {
  const page = readFileSync(join(root, 'docs/performance.md'), 'utf8')
  const [, command = '', printed] = /```\n\$ npm run --silent simulate -- (.*)\n([\s\S]*?)```/.exec(page) ?? []
  t.equal(await run(command.split(' ')), printed)
})

t.test('the same seed prints the same, another seed something else', async (t) => {
  const once = await run(small)
  t.equal(await run(small), once)
  t.not(await run([...small, '--seed', '2']), once)
})

t.test('the figures are those of rotation.ts: with another `decide` there, they are others', async (t) => {
  const altered = ['--import', new URL('other-decision.ts', import.meta.url).href]
  const logouts = (printed: string) => Number(/a retry after a lost response +(\d+)/.exec(printed)?.[1])
  const [ours, others] = [logouts(await run(small)), logouts(await run(small, altered))]
  t.ok(others > 10 * ours + 10, `${ours} innocents logged out with delivery proof, ${others} without`)
})

function play(policy: PolicyName, change: Partial<PolicySettings> = {}): Figures {
  const settings = { graceMs: 10_000, idleTtlSeconds: 7 * 86_400, binding: 'none', ...change } as const
  return simulate(startsOf(policy, settings), { sessions: 3000, days: 10, seed: 7 })
}

t.test('each design shows what it is known for', async (t) => {
  const [ours, strict, window, parent] = [
    play('cardea'),
    play('strict'),
    play('fixed-window'),
    play('unlimited-parent'),
  ]
  t.ok(honestLogouts(strict) > 20 * honestLogouts(ours), 'strict rotation logs innocents out')
  t.ok(window.honestLogouts.retry > 100, 'a fixed window forgets lost responses')
  t.equal(window.honestLogouts.olderResponse, 0, 'a fork has no older response')
  t.ok(window.thefts.near.missed > 0, 'a fork is never found out')
  t.equal(parent.honestLogouts.retry, 0, 'an unlimited parent forgives every retry')
  t.equal(ours.thefts.near.missed, 0)
  t.ok(ours.thefts.near.exposedAfterMs.length > 0)
  t.ok(ours.thefts.shadow.missed > 0, 'whoever copies every token in time is not exposed by rotation')
  for (const figures of [ours, strict, window, parent]) {
    t.equal(figures.refreshes > 100_000, true, 'all meet the same devices')
    t.equal(figures.lostResponses, ours.lostResponses)
  }
})

t.test('a setting moves the figures the way its name says', async (t) => {
  const [usual, none, bound, short] = [
    play('cardea'),
    play('cardea', { graceMs: 0 }),
    play('cardea', { binding: 'client' }),
    play('cardea', { idleTtlSeconds: 86_400 }),
  ]
  t.ok(none.honestLogouts.tab > 10 * usual.honestLogouts.tab + 10, 'without a grace tabs are taken for thieves')
  t.equal(none.thefts.shadow.missed, 0, 'and nobody hides in it')
  t.ok(bound.thefts.near.refused > usual.thefts.near.refused, 'binding refuses thieves with another label')
  t.strictSame(bound.honestLogouts, usual.honestLogouts, 'and no innocent')
  t.ok(short.idleLogouts > 10 * usual.idleLogouts)
})

/** The log of a gateway with four sessions: one rotated, one with a lost response, one with racing tabs, one replayed. */
async function recordedLog({ app, clock, log, post, signIn }: TestGateway): Promise<string> {
  const firsts = { rotated: await signIn(), lost: await signIn(), raced: await signIn(), replayed: await signIn() }
  const refresh = async ({ refresh_token }: Tokens) =>
    (await post('/auth/token', { grant_type: 'refresh_token', refresh_token })).json<Tokens>()
  const lines: string[] = []
  // The log's own time is the machine's; here it is the held clock's.
  const pass = (ms: number) => {
    for (const line of log.splice(0)) lines.push(JSON.stringify({ ...line, time: clock.nowMs }))
    clock.advance(ms)
  }
  pass(3_600_000)
  const newest = new Map<string, Tokens>()
  for (const [name, first] of Object.entries(firsts)) newest.set(name, await refresh(first))
  app.delivery.seen(firsts.replayed.session_id, 2)
  pass(3_000)
  await refresh(firsts.raced)
  pass(60_000)
  newest.set('lost', await refresh(firsts.lost))
  await refresh(firsts.replayed)
  pass(3_600_000)
  for (const token of newest.values()) await refresh(token)
  pass(0)
  return lines.join('\n')
}

t.test('recorded events of a gateway are played against any design', async (t) => {
  const gateway = await startGateway(t)
  const file = join(temporaryFolder(t), 'events.jsonl')
  writeFileSync(file, `${await recordedLog(gateway)}\nnot JSON\n{"event":"rotated","sid":1}\nnull\n`)
  const printed = await run(['--policy', 'cardea', '--policy', 'fixed-window', '--events', file])
  const row = (title: string) =>
    new RegExp(`^${title} +(\\d+) +(\\d+) +(\\d+)$`, 'm').exec(printed)?.slice(1).map(Number)
  t.match(printed, /^4 recorded sessions; \d+ lines passed over$/m)
  t.strictSame(row('recorded retries honoured'), [2, 1, 0], 'Cardea is what was recorded')
  t.strictSame(row('clients that went on taken for a thief'), [0, 1, 2])
  t.strictSame(row('recorded reuse refused'), [1, 1, 1])
  t.strictSame(row('recorded reuse let through'), [0, 0, 0])
})

t.test('what cannot be simulated is refused with a sentence', async (t) => {
  const folder = temporaryFolder(t)
  const empty = join(folder, 'empty.jsonl')
  writeFileSync(empty, '{}\n')
  const refused: [args: string[], code: number, sentence: RegExp][] = [
    [
      ['--policy', 'lenient'],
      2,
      /--policy is one of cardea, newest-again, once-a-grace, fixed-window, strict, unlimited-parent/,
    ],
    [['--grace', 'soon'], 2, /--grace is a duration from 0s to 10m/],
    [['--grace', '11m'], 2, /--grace is a duration/],
    [['--idle', '0s'], 2, /--idle is a duration from 1s to 400d/],
    [['--binding', 'mtls'], 2, /--binding is one of none, client/],
    [['--sessions', '0'], 2, /--sessions is a whole number from 1 to 1000000/],
    [['--days', '1e9'], 2, /--days is a whole number/],
    [['--seed', '-1'], 2, /seed/],
    [['--events', join(folder, 'missing')], 1, /There is no file /],
    [['--events', empty], 1, /holds no event of a refresh token/],
    [['--speed', '1'], 2, /--speed/],
  ]
  for (const [args, code, stderr] of refused) {
    await t.rejects(run(args), { code, stderr }, args.join(' '))
  }
})
