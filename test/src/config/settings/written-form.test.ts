// Tests of what a mistake in the config file is told: what to write, at the place that is wrong, by the kind of value that was meant.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigError, loadConfig } from '../../../../src/config/index.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

function mistakesOf(t: Test, yaml: string): string[] {
  const directory = temporaryFolder(t)
  writeFileSync(join(directory, 'cardea.config.yaml'), yaml)
  try {
    loadConfig({ env: {}, directory })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.violations
    throw error
  }
}

const route = (members: string) => `routes:\n  - { prefix: /a, upstream: 'http://127.0.0.1:9', ${members} }\n`

const cases: [title: string, yaml: string, said: string][] = [
  ['a rate as a number', route('rateLimit: 100'), 'routes[0].rateLimit is 100: write a text such as 100/1m'],
  [
    'a duration as a number',
    route('timeouts: { headers: 5 }'),
    'routes[0].timeouts.headers is 5: write a text such as 30s',
  ],
  ['timeouts as a text', route('timeouts: 5s'), 'routes[0].timeouts is "5s": write { connect: …, headers: …,'],
  ['a switch as a word', route('websocket: "yes"'), 'routes[0].websocket is "yes": write true or false'],
  ['a number as a text', route('retries: "2"'), 'routes[0].retries is "2": write a whole number from 0 to 5'],
  ['role for roles', route('policy: { role: admin }'), 'routes[0].policy.role is not known: did you mean roles?'],
  [
    'roles as a text',
    route('policy: { roles: admin }'),
    'routes[0].policy.roles is "admin": write a list: [a text, …]',
  ],
  [
    'a policy that is none',
    route('policy: admin'),
    'routes[0].policy is "admin": write public or authenticated or { roles: …',
  ],
  [
    'routes as a map',
    'routes:\n  /a: http://127.0.0.1:9\n',
    'routes is {"/a":"http://127.0.0.1:9"}: write a list, each entry of which begins with “- ”',
  ],
  [
    'a path as a document’s options',
    route('openapi: { documents: x }'),
    'routes[0].openapi.documents is not known: did you mean document?',
  ],
]
for (const [title, yaml, said] of cases) {
  t.test(`${title}: it is said what to write`, async (t) => {
    const mistakes = mistakesOf(t, yaml)
    t.ok(
      mistakes.some((mistake) => mistake.includes(said)),
      mistakes.join('\n'),
    )
    t.notMatch(mistakes.join('\n'), 'wanted here')
  })
}

t.test('each mistake of a choice is told once, at the part that was meant', async (t) => {
  const two = `${route('policy: { roles: admin, scopes: read }')}  - { prefix: /b, upstream: 'http://127.0.0.1:9', policy: { role: x } }\n`
  t.match(mistakesOf(t, two), [
    /routes\[0\]\.policy\.roles is/,
    /routes\[0\]\.policy\.scopes is/,
    /routes\[1\]\.policy\.role is not known/,
  ])
  t.equal(mistakesOf(t, two).length, 3)
})
