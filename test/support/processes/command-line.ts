// The command line as a process: what it prints where, and its exit code.
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { processEnvironment } from './process-environment.ts'

const root = new URL('../../..', import.meta.url).pathname

export interface CommandOutcome {
  code: number | null
  stdout: string
  stderr: string
  /** The line that says which store was made or is meant. */
  store: string
}

/** Runs the command line on the store of a folder. @param input what is piped in */
export async function runCommand(
  dataDir: string,
  args: string[],
  input = '',
  settings: Record<string, string> = {},
): Promise<CommandOutcome> {
  const env = processEnvironment({ CARDEA_DATA_DIR: dataDir, ...settings })
  const child = spawn(process.execPath, ['src/cli.ts', ...args], { cwd: root, env, stdio: 'pipe' })
  // A command that refuses does not wait for its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited])
  const [store = ''] = /^store: .*\n/.exec(stderr) ?? []
  return { code, stdout, stderr: stderr.slice(store.length), store }
}
