// The command line of operators: users, sessions, keys, config. Works on the gateway's store, also while the gateway runs: it
// follows the revocations that are written here. A password is never taken from an argument nor logged.
import manifest from '../package.json' with { type: 'json' }
import { LastAdministrator } from '../plugins/session-store/port/administrators.ts'
import { type Store, StoreUnavailable } from '../plugins/session-store/port/store.ts'
import { CliError, type Command, parseInvocation, UsageError } from './cli/command.ts'
import { configCommands } from './cli/config-commands.ts'
import { keyCommands } from './cli/key-commands.ts'
import { sessionCommands } from './cli/session-commands.ts'
import { storeCommands } from './cli/store-commands.ts'
import { userCommands } from './cli/user-commands.ts'
import { ConfigError, loadConfig } from './config/index.ts'
import { nearestName } from './config/nearest-name.ts'
import { cardeaCommand, startCommand } from './process/commands.ts'
import { makeDataDir, withSecret } from './process/first-start.ts'
import { missingStore, openStore, StoreRejected } from './process/open-store.ts'

const commands: Record<string, Command> = {
  ...userCommands,
  ...sessionCommands,
  ...keyCommands,
  ...storeCommands,
  ...configCommands,
}

// Longer than any access token lives: the log of revocations is not ours to shorten, whatever settings this shell has.
const keepLogMs = 2 * 24 * 60 * 60 * 1000

process.exitCode = await main(process.argv.slice(2))

/** @returns the exit code: 0 done, 1 not done, 2 the command line was wrong */
async function main(words: readonly string[]): Promise<number> {
  try {
    const [group = '', verb = '', ...rest] = words
    if (group === '--version') {
      process.stdout.write(`${manifest.version}\n`)
      return 0
    }
    if (group === '' || words.includes('--help')) {
      process.stdout.write(`${usage()}\n`)
      return words.includes('--help') ? 0 : 2
    }
    // Most commands are two words.
    if (Object.hasOwn(commands, group)) await run(group, words.slice(1))
    else await run(`${group} ${verb}`.trim(), rest)
    return 0
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

function usage(): string {
  const width = Math.max(...Object.values(commands).map(({ synopsis }) => synopsis.length))
  const lines = Object.values(commands).map(({ synopsis, meaning }) => `  ${synopsis.padEnd(width)}  ${meaning}`)
  return [
    `${startCommand} runs the gateway; ${cardeaCommand} <command>:`,
    ...lines,
    'With --json a command prints JSON. --version prints the version.',
  ].join('\n')
}

async function run(name: string, rest: string[]): Promise<void> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    const nearest = nearestName(name, Object.keys(commands))
    throw new UsageError(`There is no command ${JSON.stringify(name)}${nearest ? `; did you mean ${nearest}?` : ''}`)
  }
  const invocation = parseInvocation(command, rest)
  if (command.needs === 'nothing') return await command.run(invocation)
  const store = await open(command.needs === 'store')
  try {
    await command.run(invocation, store)
  } finally {
    await store.close()
  }
}

async function open(mustExist: boolean): Promise<Store> {
  const loaded = loadConfig()
  const missing = missingStore(loaded)
  if (mustExist && missing !== undefined) {
    throw new CliError(`There is no store at ${missing}: check CARDEA_DATA_DIR, or start the gateway once`)
  }
  if (loaded.redisUrl === undefined) makeDataDir(loaded.dataDir)
  // Only Redis needs the secret, to find a subject's keys.
  const config = loaded.redisUrl === undefined ? loaded : withSecret(loaded)
  const say = (sentence: string) => process.stderr.write(`${sentence}\n`)
  const store = await openStore(config, { keepLogMs, onWarning: say, onWait: say })
  // Said where somebody may be mistaken: a REDIS_URL that was forgotten makes a new file, one that was not is another's.
  if (missing !== undefined) process.stderr.write(`store: ${store.description}, made now\n`)
  else if (loaded.redisUrl !== undefined) process.stderr.write(`store: ${store.description}\n`)
  return store
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\n\n${usage()}`
  if (error instanceof CliError || error instanceof ConfigError || error instanceof StoreRejected) return error.message
  if (error instanceof LastAdministrator) return 'This is the last administrator; make another one first.'
  if (error instanceof StoreUnavailable) return `The store cannot be used: ${reasonOf(error)}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function reasonOf({ message, cause }: StoreUnavailable): string {
  return cause instanceof Error ? `${message} (${cause.message})` : message
}
