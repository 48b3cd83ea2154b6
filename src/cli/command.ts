// A command of the command line, and how commands speak: tables for people, JSON for programs, sentences for refusals.
// Nothing that is printed here can steer a terminal.
import { parseArgs } from 'node:util'
import type { Store } from '../../plugins/session-store/port/store.ts'

/** The command line is wrong: exit code 2, and the usage is shown. */
export class UsageError extends Error {}

/** The command cannot be done: exit code 1. */
export class CliError extends Error {}

/** A command line, read. */
export interface Invocation {
  flags: ReadonlyMap<string, string | boolean | (string | boolean)[] | undefined>
  positionals: string[]
}

export interface CommandOutline {
  synopsis: string
  meaning: string
  options: Record<string, { type: 'string' | 'boolean'; multiple?: boolean }>
  /** Least and most number of words that are not options. */
  positionals: readonly [least: number, most: number]
}

export type Command = CommandOutline &
  (
    | { needs: 'nothing'; run: (invocation: Invocation) => Promise<void> }
    /** `new store`: the file is made when it is not there. */
    | { needs: 'store' | 'new store'; run: (invocation: Invocation, store: Store) => Promise<void> }
  )

/**
 * Reads the words behind a command's name.
 * @throws UsageError when they are not what the command takes
 */
export function parseInvocation(command: CommandOutline, args: readonly string[]): Invocation {
  try {
    const options = { ...command.options, json: { type: 'boolean' } } as const
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    const [least, most] = command.positionals
    if (positionals.length < least || positionals.length > most) throw new Error(`usage: ${command.synopsis}`)
    return { flags: new Map(Object.entries(values)), positionals }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** Whether a switch such as `--json` was given. */
export function isGiven({ flags }: Invocation, name: string): boolean {
  return flags.get(name) === true
}

/**
 * The texts of an option, however often it was given.
 * @returns empty when it was not given
 */
export function textsOf({ flags }: Invocation, name: string): string[] {
  const value = flags.get(name)
  return [value].flat().filter((text) => typeof text === 'string')
}

/** Says what was done: in a sentence, or as one JSON object where `--json` was given. */
export function report(invocation: Invocation, done: Record<string, unknown>, sentence: string): void {
  if (isGiven(invocation, 'json')) process.stdout.write(`${JSON.stringify(done)}\n`)
  else say(sentence)
}

/** Prints one line for people. */
export function say(line: string): void {
  process.stdout.write(`${printable(line)}\n`)
}

/**
 * Prints rows: as a table, or as one JSON array.
 * @param rows members in the order of the columns; texts, numbers, booleans and lists of texts
 */
export function printRows(rows: readonly Record<string, unknown>[], asJson: boolean): void {
  if (asJson) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
    return
  }
  if (rows.length === 0) {
    say('none')
    return
  }
  const columns = Object.keys(rows[0] ?? {})
  const lines = [columns, ...rows.map((row) => columns.map((column) => cell(row[column])))]
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  for (const line of lines)
    say(
      line
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

function cell(value: unknown): string {
  const text = Array.isArray(value) ? value.join(' ') : String(value ?? '')
  return printable(text) || '-'
}

// A device label comes from a client: an escape sequence in it must not reach the terminal of an operator.
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}
