// The sending of a verb of sessions to Redis: which keys and times every script is given beside its own. It decides nothing.
import type { OnceAMinute } from '../once-a-minute.ts'
import type { Argument, RedisLink } from './connection/link.ts'
import type { RedisEpochs } from './failover/epochs.ts'
import type { RedisNames } from './key-names.ts'
import { readReply, saysNothing, saysUnreadable } from './replies.ts'
import type { RedisRevocations } from './revocations.ts'
import type { Script } from './scripts.ts'
import type { RedisIdentity } from './start/identity.ts'

export interface RedisVerbsOptions {
  link: RedisLink
  names: RedisNames
  log: RedisRevocations
  /** Which primaries may rotate, and start sessions. */
  epochs: RedisEpochs
  /** Whether it is the same store still. */
  identity: RedisIdentity
  /** How long entries of the revocation log are kept, ms. */
  keepLogMs: number
  /** In a Cluster the scripts cannot reach the log. */
  isCluster: boolean
  /** Hears of sessions that cannot be read. */
  alarms: OnceAMinute
  /** Of a test; Redis TIME otherwise. */
  clock: (() => number) | undefined
}

export class RedisVerbs {
  readonly #options: RedisVerbsOptions

  constructor(options: RedisVerbsOptions) {
    this.#options = options
  }

  /**
   * A verb that only a prepared primary may carry out.
   * @param args makes the verb's arguments, given the primaries that are prepared
   * @throws StoreUnavailable
   */
  writePrepared(
    script: Script,
    keys: readonly string[],
    args: (prepared: string) => readonly Argument[],
  ): Promise<Buffer[]> {
    return this.#options.epochs.whenPrepared((prepared, restMs) =>
      this.write(script, [...keys], args(prepared), restMs),
    )
  }

  /**
   * A verb that may end sessions: the log and the not-before are its last keys, where a script may reach them.
   * @throws StoreUnavailable
   */
  write(script: Script, keys: string[], args: readonly Argument[], deadlineMs?: number): Promise<Buffer[]> {
    const { names, keepLogMs, isCluster } = this.#options
    if (!isCluster) keys.push(names.revocations, names.notBefore)
    return this.#run(script, keys, [this.now(), keepLogMs, ...args], deadlineMs)
  }

  /**
   * A verb that only shows sessions.
   * @throws StoreUnavailable
   */
  show(script: Script, keys: string[], args: readonly Argument[]): Promise<Buffer[]> {
    if (!this.#options.isCluster) keys.push(this.#options.names.notBefore)
    return this.#run(script, keys, args)
  }

  async #run(
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
    deadlineMs?: number,
  ): Promise<Buffer[]> {
    const { link, identity, alarms } = this.#options
    try {
      const reply = readReply(await link.run(script, keys, args, deadlineMs))
      if (saysNothing(reply)) await identity.assertSame()
      return reply
    } catch (error) {
      if (saysUnreadable(error)) {
        alarms.tell(
          keys[0] ?? '',
          `A session in ${keys[0]} cannot be read, and its client is refused: another version wrote it, a part of it was lost, or ` +
            'somebody else writes into this Redis. End the session, or all of its subject (docs/redis.md).',
        )
      }
      throw error
    }
  }

  /** In a Cluster the scripts cannot reach the not-before and are given it; elsewhere ('') they read it themselves. */
  async givenNotBefore(): Promise<Argument> {
    const { isCluster, log } = this.#options
    if (!isCluster) return ''
    const { at, reason } = await log.readNotBefore()
    return at === 0 ? '' : `${at} ${reason}`
  }

  /** A test's clock, ms; '' for Redis TIME. */
  now(): Argument {
    return this.#options.clock?.() ?? ''
  }
}
