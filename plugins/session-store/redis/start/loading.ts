// A Redis that is LOADING its file when the gateway starts: it accepts connections and refuses nearly every command until it
// has read all of it. That is seen, said once, and waited for. It must never ask what changes anything.
import { Cluster } from 'ioredis'
import { StoreUnavailable } from '../../port/store.ts'
import type { RedisClient } from '../connection/client.ts'

/** 30 minutes read some hundred GB from a slow disk. */
const maxLoadingMs = 30 * 60 * 1000
const lookEveryMs = 100
const sentence =
  'Redis is LOADING its file and serves nobody until it has read it: Cardea waits for that, 30 minutes at most.'

/**
 * Opens a connection; as long as the server says that it is LOADING, again and again.
 * @param client of that connection, which may be connected and not ready
 * @param open gives up in time
 * @param onWait hears once why the start waits
 * @throws what `open` threw when the server was not loading; StoreUnavailable when it loads for too long
 */
export async function openLoaded<T>(
  client: RedisClient,
  open: () => Promise<T>,
  onWait: (sentence: string) => void = () => {},
): Promise<T> {
  const startedAt = performance.now()
  const watch = new LoadingWatch(client, () => onWait(sentence))
  try {
    for (;;) {
      try {
        return await open()
      } catch (cause) {
        if (!watch.takeSeen()) throw cause
        if (performance.now() - startedAt > maxLoadingMs)
          throw new StoreUnavailable('Redis: it is LOADING its file still, after 30 minutes', { cause })
      }
    }
  } finally {
    watch.close()
  }
}

class LoadingWatch {
  readonly #client: RedisClient
  readonly #onFirst: () => void
  readonly #timer: NodeJS.Timeout
  #isAsking = false
  #isSeen = false
  #wasSeen = false

  constructor(client: RedisClient, onFirst: () => void) {
    this.#client = client
    this.#onFirst = onFirst
    if (client instanceof Cluster) client.on('node error', this.#hearNode)
    this.#timer = setInterval(() => void this.#ask(), lookEveryMs).unref()
  }

  /** Whether it was loading at some time since this was asked last. */
  takeSeen(): boolean {
    const isSeen = this.#isSeen
    this.#isSeen = false
    return isSeen
  }

  close(): void {
    clearInterval(this.#timer)
    this.#client.off('node error', this.#hearNode)
  }

  // Connected and not ready: INFO is what a server answers while it loads.
  async #ask(): Promise<void> {
    const client = this.#client
    if (client instanceof Cluster || client.status !== 'connect' || this.#isAsking) return
    this.#isAsking = true
    const info = await client.info('persistence').catch(() => '')
    this.#isAsking = false
    if (/^loading:1\r?$/m.test(info)) this.#see()
  }

  // A node of a Cluster refuses to say who serves which slot.
  readonly #hearNode = ({ message }: Error): void => {
    if (message.startsWith('LOADING')) this.#see()
  }

  #see(): void {
    this.#isSeen = true
    if (this.#wasSeen) return
    this.#wasSeen = true
    this.#onFirst()
  }
}
