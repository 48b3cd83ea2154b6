// The gateway as a process of its own: started, stopped, killed and restarted on one data folder. For tests of what only a
// real process shows; everything else uses the app in this process.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { eventually } from '../eventually.ts'
import { freePort } from './free-port.ts'
import { processEnvironment } from './process-environment.ts'

const root = new URL('../../..', import.meta.url).pathname
const startDeadlineMs = 60_000

export class GatewayProcess {
  /** Everything the process printed since its last start. */
  output: string[] = []
  adminPassword = ''
  url = ''
  readonly #env: Record<string, string>
  readonly #descriptors: number | undefined
  #child: ChildProcess | undefined

  private constructor(env: Record<string, string>, descriptors: number | undefined) {
    this.#env = env
    this.#descriptors = descriptors
  }

  /**
   * Starts a gateway and waits until it is ready.
   * @param env settings; PORT is a free one unless given
   * @param descriptors that the process may open; as many as this one when absent
   */
  static async start(env: Record<string, string>, descriptors?: number): Promise<GatewayProcess> {
    const port = env['PORT'] ?? String(await freePort())
    const gateway = new GatewayProcess({ HOST: '127.0.0.1', PORT: port, ...env }, descriptors)
    gateway.url = `http://127.0.0.1:${port}`
    await gateway.#spawn()
    return gateway
  }

  /** Ends the process if it lives, and starts it again with the same settings. */
  async restart(): Promise<void> {
    await this.stop()
    await this.#spawn()
  }

  /** SIGTERM; resolves when the process has exited. @returns its exit code */
  async stop(): Promise<number | null> {
    const child = this.#child
    if (!child) return null
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    return child.exitCode
  }

  /** Resolves when the process has exited by itself, or by a signal that it was sent. @returns its exit code */
  async exited(): Promise<number | null> {
    const child = this.#child
    if (child?.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return child?.exitCode ?? null
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The processes that it has started and that live now: its workers. */
  get workers(): number[] {
    const children = `/proc/${this.pid}/task/${this.pid}/children`
    return readFileSync(children, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Runs the CLI on this gateway's data. @returns its standard output */
  async cli(args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, ['src/cli.ts', ...args], {
      cwd: root,
      env: processEnvironment(this.#env),
    })
    return stdout
  }

  async #spawn(): Promise<void> {
    this.output = []
    const command = [process.execPath, 'src/server.ts']
    const limited = ['sh', '-c', `ulimit -n ${this.#descriptors}; exec "$@"`, 'sh', ...command]
    const [file = '', ...args] = this.#descriptors === undefined ? command : limited
    const child = spawn(file, args, { cwd: root, env: processEnvironment(this.#env) })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.output.push(line))
    }
    await this.#ready(child)
    this.adminPassword ||= /password\W+(\S+)/i.exec(this.output.join('\n'))?.[1] ?? ''
  }

  async #ready(child: ChildProcess): Promise<void> {
    const isReady = async () => {
      if (child.exitCode !== null) throw new Error(`the gateway did not start:\n${this.output.join('\n')}`)
      const isServing = (await fetch(`${this.url}/readyz?full`).catch(() => undefined))?.ok === true
      // What it says goes another way than what it answers: either can come first. In production the log level may hide it.
      return isServing && (this.#env['NODE_ENV'] === 'production' || this.output.length >= 3)
    }
    try {
      await eventually('the gateway is ready', isReady, startDeadlineMs)
    } catch (error) {
      // Whoever asked for it has nothing to end.
      child.kill('SIGKILL')
      throw error
    }
  }
}
