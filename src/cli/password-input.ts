// The input of a password to the command line: made, typed without echo, or piped. Never from an argument (every user of the
// machine can read those) and never echoed.
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { newPasswordProblem, passwordLimitBytes } from '../../plugins/credentials/password.ts'
import { contextOf, violationOf } from '../../plugins/credentials/strength.ts'
import { loadConfig } from '../config/index.ts'
import { makePassword } from '../process/first-start.ts'
import { CliError, type Invocation, isGiven, report } from './command.ts'

/** The option that has a password made. */
export const passwordOptions = { generate: { type: 'boolean' } } as const

/**
 * Gets a new password: `--generate` makes and prints one, a terminal is asked twice, a pipe is read.
 * @param sub whose it will be
 * @returns a password that can be one and is not easy to guess
 * @throws CliError when what was given cannot be one
 */
export async function newPassword(invocation: Invocation, sub: string): Promise<string> {
  if (isGiven(invocation, 'generate')) {
    const password = makePassword()
    report(invocation, { password }, `password: ${password}`)
    return password
  }
  const password = process.stdin.isTTY ? await askTwice() : await readPiped()
  const wrong = newPasswordProblem(password)
  if (wrong) throw new CliError(wrong)
  const violation = await violationOf(password, contextOf(sub, loadConfig().issuer))
  if (violation) throw new CliError(`That password is too easy to guess. ${violation}`)
  return password
}

async function askTwice(): Promise<string> {
  const password = await ask('New password: ')
  if ((await ask('Again: ')) !== password) throw new CliError('The two are not the same; nothing was changed.')
  return password
}

async function ask(prompt: string): Promise<string> {
  // readline echoes to its output; this one keeps quiet.
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silence, terminal: true })
  terminal.on('SIGINT', () => process.exit(130))
  process.stderr.write(prompt)
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}

// The line feed that `echo` and editors add is not part of the password; anything else is.
async function readPiped(): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > passwordLimitBytes * 4) throw new CliError('That is too long for a password.')
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      .decode(Buffer.concat(chunks))
      .replace(/\r?\n$/, '')
  } catch {
    throw new CliError('The password is not UTF-8.')
  }
}
