// The calls of scripts: each has a name of its own, which the script gives back with its result. A wire or a proxy that loses
// a response, or gives one too many, gives everybody behind it what is another's, of another session or another verb; nobody
// may take that for his own.
import { randomBytes } from 'node:crypto'
import type { StoreUnavailable } from '../port/store.ts'
import type { VerbLatency } from '../verb-latency.ts'
import { type Argument, isNoScript, type Script } from './scripts.ts'

/** Sends a command within so many ms. @returns its reply, texts as Buffers */
export type Send = (name: 'EVALSHA' | 'EVAL', args: readonly Argument[], deadlineMs: number) => Promise<unknown>

export class RedisCalls {
  /** Not that of another process, whose calls a proxy may send over the same connection. */
  readonly #base = randomBytes(6).toString('base64url')
  readonly #latency: VerbLatency
  readonly #giveUp: () => StoreUnavailable
  #count = 0

  /** @param giveUp gives the connection up when the response to another call came, and makes the error of whoever waited */
  constructor(latency: VerbLatency, giveUp: () => StoreUnavailable) {
    this.#latency = latency
    this.#giveUp = giveUp
  }

  /**
   * Runs a verb: one EVALSHA; its text follows only when the server does not know it (first use, restart, SCRIPT FLUSH).
   * @returns what the script returned
   * @throws StoreUnavailable; also when the response is that to another call
   */
  async run(
    { verb, sha1, text }: Pick<Script, 'verb' | 'sha1' | 'text'>,
    keys: readonly string[],
    args: readonly Argument[],
    deadlineMs: number,
    send: Send,
  ): Promise<unknown> {
    const startedAt = performance.now()
    this.#count += 1
    const call = `${this.#base}${this.#count}`
    const rest = [keys.length, ...keys, ...args, call]
    try {
      return this.#resultOf(call, await send('EVALSHA', [sha1, ...rest], deadlineMs))
    } catch (error) {
      if (!isNoScript(error)) throw error
      // EVAL runs and keeps the text in one step, on the very node that did not know it.
      return this.#resultOf(call, await send('EVAL', [text, ...rest], deadlineMs - (performance.now() - startedAt)))
    } finally {
      this.#latency.note(verb, startedAt)
    }
  }

  #resultOf(call: string, reply: unknown): unknown {
    if (!Array.isArray(reply) || String(reply[0]) !== call) throw this.#giveUp()
    // A script that returns nothing: no list ends with nil.
    return reply[1] ?? null
  }
}
