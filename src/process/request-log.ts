// The log of one request, which is made when a line needs it: most requests never write one. What a line is and what is left
// out of it is said by the log it is made from.
import type { FastifyBaseLogger } from 'fastify'
import { levels } from 'pino'

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
type Members = Parameters<FastifyBaseLogger['child']>[0]

export class RequestLog implements FastifyBaseLogger {
  readonly #parent: FastifyBaseLogger
  readonly #members: Members
  #log: FastifyBaseLogger | undefined

  /** @param members stand in each of its lines: the request id */
  constructor(parent: FastifyBaseLogger, members: Members) {
    this.#parent = parent
    this.#members = members
  }

  get level(): string {
    return this.#parent.level
  }

  child(...about: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#made.child(...about)
  }

  trace(...line: unknown[]): void {
    this.#write('trace', line)
  }

  debug(...line: unknown[]): void {
    this.#write('debug', line)
  }

  info(...line: unknown[]): void {
    this.#write('info', line)
  }

  warn(...line: unknown[]): void {
    this.#write('warn', line)
  }

  error(...line: unknown[]): void {
    this.#write('error', line)
  }

  fatal(...line: unknown[]): void {
    this.#write('fatal', line)
  }

  silent(): void {}

  get #made(): FastifyBaseLogger {
    this.#log ??= this.#parent.child(this.#members)
    return this.#log
  }

  #write(level: Level, line: unknown[]): void {
    // A line that is not written anyway shall not make a log.
    if (severity(level) < severity(this.level)) return
    const [first, ...rest] = line
    // Its members beside those of the line: a log of its own would cost as much again, and there is a line for each refresh.
    if (isPlain(first)) Reflect.apply(this.#parent[level], this.#parent, [{ ...this.#members, ...first }, ...rest])
    else Reflect.apply(this.#made[level], this.#made, line)
  }
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function severity(level: string): number {
  return levels.values[level] ?? Number.POSITIVE_INFINITY
}
