// The command line of operators: users, sessions, keys, config. Works on the embedded file, also while the gateway runs:
// the gateway follows the revocations that are written here. A password is never taken from an argument nor logged.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openEmbeddedStore } from '../plugins/session-store/embedded.ts'
import { StoreUnavailable } from '../plugins/session-store/store.ts'
import { CliError, type Command, type Invocation, UsageError } from './cli/command.ts'
import { configCommands } from './cli/config-commands.ts'
import { keyCommands } from './cli/key-commands.ts'
import { sessionCommands } from './cli/session-commands.ts'
import { userCommands } from './cli/user-commands.ts'
import { ConfigError, loadConfig } from './config.ts'
import { makeDataDir } from './development.ts'
import { nearestName } from './nearest-name.ts'

const commands: Record<string, Command> = { ...userCommands, ...sessionCommands, ...keyCommands, ...configCommands }

process.exitCode = await main(process.argv.slice(2))

/** @returns the exit code: 0 done, 1 not done, 2 the command line was wrong */
async function main(words: readonly string[]): Promise<number> {
  try {
    const [group = '', verb = '', ...rest] = words
    if (group === '' || words.includes('--help')) {
      process.stdout.write(`${usage()}\n`)
      return words.includes('--help') ? 0 : 2
    }
    await run(`${group} ${verb}`.trim(), rest)
    return 0
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

function usage(): string {
  const width = Math.max(...Object.values(commands).map(({ synopsis }) => synopsis.length))
  const lines = Object.values(commands).map(({ synopsis, meaning }) => `  ${synopsis.padEnd(width)}  ${meaning}`)
  return ['npm run cardea -- <command>', ...lines].join('\n')
}

async function run(name: string, rest: string[]): Promise<void> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    const nearest = nearestName(name, Object.keys(commands))
    throw new UsageError(`There is no command ${JSON.stringify(name)}${nearest ? `; did you mean ${nearest}?` : ''}`)
  }
  const invocation = parse(command, rest)
  if (command.needs === 'nothing') return await command.run(invocation)
  const file = storeFile(command.needs === 'store')
  const store = openEmbeddedStore({ file })
  try {
    await command.run(invocation, store)
  } finally {
    await store.close()
  }
}

// Looking into a store that is not there would only make an empty one, and hide that the data folder is another.
function storeFile(mustExist: boolean): string {
  const { dataDir } = loadConfig()
  const file = join(dataDir, 'cardea.db')
  if (mustExist && !existsSync(file)) {
    throw new CliError(`There is no store at ${file}: check CARDEA_DATA_DIR, or start the gateway once`)
  }
  makeDataDir(dataDir)
  return file
}

function parse(command: Command, args: string[]): Invocation {
  try {
    const { values, positionals } = parseArgs({ args, options: command.options, allowPositionals: true, strict: true })
    const [least, most] = command.positionals
    if (positionals.length < least || positionals.length > most) throw new Error(`usage: ${command.synopsis}`)
    return { flags: new Map(Object.entries(values)), positionals }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\n\n${usage()}`
  if (error instanceof CliError || error instanceof ConfigError) return error.message
  if (error instanceof StoreUnavailable) return `The store cannot be used: ${error.message}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
