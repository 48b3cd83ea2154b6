// The simulator: what a design would have meant for people and for thieves, played on a synthetic population or on recorded events.
// It opens no store, and the same command line prints the same figures on every machine: `npm run simulate -- --seed 7`.
import { createReadStream, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseDurationMs } from '../plugins/clocks/durations.ts'
import {
  CliError,
  type CommandOutline,
  type Invocation,
  parseInvocation,
  say,
  textsOf,
  UsageError,
} from '../src/cli/command.ts'
import { type Columns, newFigures, tableOf } from './figures.ts'
import { type PopulationSettings, simulate } from './life.ts'
import { type PolicyName, type PolicySettings, policyNames, startsOf } from './policies.ts'
import { readEvents, recordedTable, replay } from './recorded.ts'

const command: CommandOutline = {
  synopsis: 'npm run simulate -- [--policy <name>]... [--<setting> <value>]...',
  meaning: 'settings: grace, idle, binding, sessions, days, seed, events',
  options: {
    policy: { type: 'string', multiple: true },
    grace: { type: 'string' },
    idle: { type: 'string' },
    binding: { type: 'string' },
    sessions: { type: 'string' },
    days: { type: 'string' },
    seed: { type: 'string' },
    events: { type: 'string' },
  },
  positionals: [0, 0],
}

/** What is played where nothing else is said. */
const defaults: Record<string, string> = { grace: '10s', idle: '7d', binding: 'none' }

process.exitCode = await main(process.argv.slice(2))

/** @returns the exit code: 0 done, 1 not done, 2 the command line was wrong */
async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--help')) {
    process.stdout.write(`${command.synopsis}\n${command.meaning}\n`)
    return 0
  }
  try {
    await simulateDesigns(parseInvocation(command, words))
    return 0
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof CliError)) throw error
    process.stderr.write(`${error.message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

async function simulateDesigns(invocation: Invocation): Promise<void> {
  const policies = policiesIn(invocation)
  const settings: PolicySettings = {
    graceMs: durationIn(invocation, 'grace', '10s', '0s', '10m'),
    idleTtlSeconds: durationIn(invocation, 'idle', '7d', '1s', '400d') / 1000,
    binding: wordIn('binding', written(invocation, 'binding'), ['none', 'client']),
  }
  const population: PopulationSettings = {
    sessions: numberIn(invocation, 'sessions', 10_000, 1, 1_000_000),
    days: numberIn(invocation, 'days', 14, 1, 366),
    seed: numberIn(invocation, 'seed', 1, 0, 2 ** 32 - 1),
  }
  const [file] = textsOf(invocation, 'events')
  say(
    Object.keys(defaults)
      .map((name) => `${name} ${written(invocation, name)}`)
      .join(', '),
  )
  if (file === undefined) playPopulation(policies, settings, population)
  else await playRecorded(policies, settings, file)
}

// Strict rotation always stands beside them: it is what the others are measured against.
function policiesIn(invocation: Invocation): PolicyName[] {
  const typed = textsOf(invocation, 'policy')
  const named = (typed.length > 0 ? typed : ['cardea']).map((name) => wordIn('policy', name, policyNames))
  return [...new Set<PolicyName>([...named, 'strict'])]
}

function columnsOf<Figures>(policies: readonly PolicyName[], play: (policy: PolicyName) => Figures): Columns<Figures> {
  return Object.fromEntries(policies.map((policy) => [policy, play(policy)]))
}

function playPopulation(
  policies: readonly PolicyName[],
  settings: PolicySettings,
  population: PopulationSettings,
): void {
  const { sessions, days, seed } = population
  const columns = columnsOf(policies, (policy) => simulate(startsOf(policy, settings), population))
  const [{ refreshes, lostResponses, races } = newFigures()] = Object.values(columns)
  say(
    `${sessions} devices, ${days} days, seed ${seed}: ${refreshes} refreshes, ${lostResponses} lost responses, ${races} races of tabs`,
  )
  print(tableOf(columns))
}

async function playRecorded(policies: readonly PolicyName[], settings: PolicySettings, file: string): Promise<void> {
  if (!existsSync(file)) throw new CliError(`There is no file ${JSON.stringify(file)}.`)
  const recorded = await readEvents(
    createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY }),
  )
  if (recorded.sessions.size === 0) throw new CliError(`${JSON.stringify(file)} holds no event of a refresh token.`)
  const columns = columnsOf(policies, (policy) => replay(startsOf(policy, settings), recorded))
  say(`${recorded.sessions.size} recorded sessions; ${recorded.passedOver} lines passed over`)
  print(recordedTable(columns))
}

function print(table: string): void {
  for (const line of table.split('\n')) say(line)
}

function written(invocation: Invocation, name: string): string {
  return textsOf(invocation, name)[0] ?? defaults[name] ?? ''
}

function wordIn<const Word extends string>(name: string, text: string, words: readonly Word[]): Word {
  const word = words.find((one) => one === text)
  if (word === undefined) throw new UsageError(`--${name} is one of ${words.join(', ')}`)
  return word
}

function durationIn(invocation: Invocation, name: string, fallback: string, least: string, most: string): number {
  const ms = parseDurationMs(textsOf(invocation, name)[0] ?? fallback)
  const [minMs = 0, maxMs = 0] = [parseDurationMs(least), parseDurationMs(most)]
  if (ms === undefined || ms < minMs || ms > maxMs) {
    throw new UsageError(`--${name} is a duration from ${least} to ${most}, such as ${fallback}`)
  }
  return ms
}

function numberIn(invocation: Invocation, name: string, fallback: number, least: number, most: number): number {
  const [text = String(fallback)] = textsOf(invocation, name)
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text) || Number(text) < least || Number(text) > most) {
    throw new UsageError(`--${name} is a whole number from ${least} to ${most}`)
  }
  return Number(text)
}
