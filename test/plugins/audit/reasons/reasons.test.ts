// The table of reasons and those who read it: what each column says appears where it is meant to, and a row is all that a reason
// needs.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  endReasons,
  reasons,
  reasonsWhere,
  reasonTable,
  rowOf,
  sentenceOf,
} from '../../../../plugins/audit/reasons/index.ts'
import type { ReasonRow } from '../../../../plugins/audit/reasons/row.ts'
import { bearer, startGateway } from '../../../support/gateway.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))

t.test('the words are in order, each sentence is one, and what ends a session lasts and can be told', async (t) => {
  t.strictSame(reasons, [...reasons].sort())
  for (const reason of reasons) {
    const { sentence, ends, lasts, meaning }: ReasonRow = reasonTable[reason]
    t.match(meaning, /^(an? |the |some|so |what ).*[^.]$/, reason)
    if (sentence !== undefined) t.match(sentence, /^[A-Z].*\.$/, reason)
    if (ends === undefined) continue
    t.ok(sentence, `${reason}: its owner is told why`)
    if (ends === 'revoked') t.ok(lasts, `${reason}: a flood does not push it out`)
  }
})

t.test('a word that is not on the list has no row, whatever objects have', async (t) => {
  t.equal(rowOf('constructor'), undefined)
  t.equal(sentenceOf('something_new'), 'something_new.')
})

t.test('every row is of use: the code names its reason outside of the table', async (t) => {
  const names = ['plugins', 'src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(root, folder, name)),
  )
  const sources = names.filter((name) => name.endsWith('.ts') && !name.includes('audit/reasons'))
  const text = sources.map((name) => readFileSync(name, 'utf8')).join('\n')
  const lua = names.filter((name) => name.endsWith('.lua')).map((name) => readFileSync(name, 'utf8'))
  for (const reason of reasons)
    t.ok(
      [text, ...lua].some((one) => one.includes(`'${reason}'`) || one.includes(`"${reason}"`)),
      reason,
    )
})

t.test('log, metrics, page and routes take their columns from the table', async (t) => {
  const gateway = await startGateway(t)
  const { app } = gateway
  for (const reason of reasons) app.audit.record(undefined, { reason, granted: true })
  const levels = new Map<unknown, string>([[40, 'warn']])
  for (const reason of reasons) {
    const [line] = gateway.events(reason)
    const { level }: ReasonRow = reasonTable[reason]
    t.equal(levels.get(line?.['level']), level, reason)
  }
  const metrics = await app.metrics.text()
  for (const reason of reasons) t.match(metrics, new RegExp(`cardea_events_total\\{reason="${reason}"\\} [1-9]`))
  const ofRefreshes = [...metrics.matchAll(/^cardea_refreshes_total\{outcome="(\w+)",reason="(\w+)"\}/gm)]
  t.strictSame(
    ofRefreshes.map(([, outcome, reason]) => `${reason} ${outcome}`).sort(),
    [
      ...reasonsWhere(({ refresh }) => refresh === 'rotated' || refresh === 'retried').map((one) => `${one} granted`),
      ...reasonsWhere(({ refresh }) => refresh === 'refused' || refresh === 'reused').map((one) => `${one} refused`),
    ].sort(),
  )
  for (const reason of reasonsWhere(({ login }) => login !== undefined)) {
    t.match(metrics, `cardea_logins_total{outcome="${rowOf(reason)?.login}"} 1\n`, reason)
  }
  const page = await app.inject('/ops/modules/reasons.js')
  t.match(page.headers, { 'content-type': /^text\/javascript/ })
  const shown = JSON.parse(page.body.replace('export const reasonTable =', ''))
  const expected = reasons.map((reason) => {
    const { title, tone, refresh }: ReasonRow = reasonTable[reason]
    return [reason, { title, tone, ...(refresh && { refresh }) }]
  })
  t.equal(JSON.stringify(shown), JSON.stringify(Object.fromEntries(expected)))
  const headers = bearer(await gateway.signIn('root'))
  for (const reason of reasons) {
    t.equal((await app.inject({ url: `/admin/events?reason=${reason}`, headers })).statusCode, 200, reason)
  }
  for (const reason of endReasons) t.equal(rowOf(reason)?.ends, 'revoked')
})
