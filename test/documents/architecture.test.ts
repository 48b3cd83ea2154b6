// docs/architecture.md is held to the code where it tells of shapes: the fields of the data and the outcomes of the decision.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { sectionOf, tableRows } from './page.ts'

const root = new URL('../..', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const page = read('docs/architecture.md')
const port = read('plugins/session-store/port/sessions.ts')

/** What of a section's table stands in backticks, in the columns that are asked for. */
function named(heading: string, columns: number[] = [0]): string[] {
  return tableRows(sectionOf(page, heading)).flatMap((cells) =>
    columns.flatMap((column) => [...(cells[column] ?? '').matchAll(/`(\w+)`/g)].map(([, name = '']) => name)),
  )
}

/** The names of an interface's members, as its source has them. */
function membersOf(source: string, name: string): string[] {
  const [, body = ''] = new RegExp(`interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(source) ?? []
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, member = '']) => member)
}

/** The words of a union's discriminator, as its source has them. */
function wordsOf(source: string, type: string, discriminator: string): string[] {
  const [, body = ''] = new RegExp(`type ${type} =([\\s\\S]*?)\\n\\n`).exec(source) ?? []
  return [...body.matchAll(new RegExp(`${discriminator}: '(\\w+)'`, 'g'))].map(([, word = '']) => word)
}

t.test('the fields of a session, an event and an access token are those of the code', async (t) => {
  t.strictSame(named('Session').sort(), membersOf(port, 'Session').sort())
  const events = read('plugins/session-store/port/events.ts')
  t.strictSame(named('Event').sort(), membersOf(events, 'StoredEvent').sort())
  const claims = membersOf(read('plugins/access-tokens/claims.ts'), 'AccessClaims')
  const [, told = ''] = /Claims: (.*)\.$/m.exec(sectionOf(page, 'Access token')) ?? []
  t.strictSame([...told.matchAll(/`(\w+)`/g)].map(([, name = '']) => name).sort(), claims.sort())
})

t.test('the kinds of revocations are those of the log', async (t) => {
  const kinds = /kind: 'session'.*\n(?: {2}\| \{.*\n)+/.exec(port)?.[0] ?? ''
  t.strictSame(
    named('Revocation'),
    [...kinds.matchAll(/kind: '(\w+)'/g)].map(([, kind = '']) => kind),
  )
})

t.test('the outcomes of the rotation decision are those of the store', async (t) => {
  const outcomes = wordsOf(port, 'RotateOutcome', 'outcome')
  t.ok(outcomes.length > 7)
  const rows = sectionOf(page, 'The rotation decision')
    .split('\n')
    .filter((line) => line.startsWith('|'))
  const told = rows.flatMap((line) => [...(line.split('|')[2] ?? '').matchAll(/`(\w+)`/g)].map(([, word]) => word))
  t.strictSame([...new Set(told)].sort(), [...new Set([...outcomes, 'lost_answer', 'concurrent'])].sort())
})
