// `config check` and `config schema`. Called by cli.ts; they open no store and change nothing.

import { configSchema } from '../config/schema.ts'
import { loadConfig } from '../config.ts'
import { type Command, say } from './command.ts'

/** The commands by their two words. */
export const configCommands: Record<string, Command> = {
  'config check': {
    synopsis: 'config check',
    meaning: 'loads the config as a start would and says every mistake',
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

async function checkConfig(): Promise<void> {
  const { notes, routes } = loadConfig()
  for (const note of notes) say(`note: ${note}`)
  say(`the configuration is right; routes: ${routes.length}`)
}

async function printSchema(): Promise<void> {
  process.stdout.write(`${publishedSchema()}\n`)
}

/** The schema of the config file as docs/cardea.config.schema.json holds it, without the line feed at its end. */
export function publishedSchema(): string {
  return JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...configSchema }, null, 2)
}
