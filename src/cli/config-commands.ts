// `config check` and `config schema`. They change nothing; a store that is there is asked which roles users have.

import { loadConfig } from '../config/index.ts'
import { schemaForEditors } from '../config/schema.ts'
import { DocumentSource } from '../reload/openapi-documents.ts'
import { type Command, type Invocation, isGiven, report, say } from './command.ts'
import { notesOfRoles } from './role-notes.ts'

/** The commands by their two words. */
export const configCommands: Record<string, Command> = {
  'config check': {
    synopsis: 'config check',
    meaning: 'loads the config and its documents as a start would and says every mistake',
    options: {},
    positionals: [0, 0],
    needs: 'nothing',
    run: checkConfig,
  },
  'config schema': {
    synopsis: 'config schema',
    meaning: 'prints the JSON schema of the config file, for editors',
    options: {},
    positionals: [0, 0],
    needs: 'nothing',
    run: printSchema,
  },
}

async function checkConfig(invocation: Invocation): Promise<void> {
  const config = loadConfig()
  const { notes, routes } = config
  const documents = await new DocumentSource().load(routes)
  const missing = documents.missing.map(({ sentence }) => `${sentence} Until it answers, its route is 503.`)
  const all = [...notes, ...documents.notes, ...missing, ...(await notesOfRoles(config))]
  if (!isGiven(invocation, 'json')) for (const note of all) say(`note: ${note}`)
  const done = { ok: true, routes: routes.length, notes: all }
  report(invocation, done, `the configuration is right; routes: ${routes.length}`)
}

async function printSchema(): Promise<void> {
  process.stdout.write(`${publishedSchema()}\n`)
}

/** The schema of the config file as docs/cardea.config.schema.json holds it, without the line feed at its end. */
export function publishedSchema(): string {
  return JSON.stringify(
    Object.assign({ $schema: 'https://json-schema.org/draft/2020-12/schema' }, schemaForEditors()),
    null,
    2,
  )
}
