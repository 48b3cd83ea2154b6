// A load at a set pace: requests are meant for evenly spread moments, whether or not earlier ones were answered (an open
// loop), and how long one took is counted from the moment it was meant for: a wait for a free connection counts as well, so
// nothing is left out when the service stalls (no coordinated omission).
import { RawConnection, requestText } from './raw-connection.ts'

/** What is to be sent. */
export interface PacedOrder {
  url: string
  path: string
  headers: Record<string, string>
  requestsPerSecond: number
  seconds: number
}

/** What came of it. */
export interface PacedResult {
  p50Ms: number
  p99Ms: number
  /** From the moment a request was meant for to its sending: what the load itself adds, and what a lack of connections does. */
  lateP99Ms: number
}

const connections = 64
/** Sent before anything is counted, s. */
const warmUpSeconds = 0.15
/** Latencies are counted in steps of 10 us, up to 2 s. */
const stepMs = 0.01
const steps = 200_000

class Latencies {
  readonly #counts = new Uint32Array(steps)
  #total = 0

  add(ms: number): void {
    const at = Math.min(steps - 1, Math.floor(ms / stepMs))
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#total += 1
  }

  /** ms that this share of all did not exceed. */
  at(share: number): number {
    let rest = Math.ceil(this.#total * share)
    let step = 0
    while (step < steps && rest > 0) rest -= this.#counts[step++] ?? 0
    return step * stepMs
  }
}

class PacedLoad {
  readonly took = new Latencies()
  readonly late = new Latencies()
  readonly #done = Promise.withResolvers<void>()
  readonly #url: string
  readonly #open = new Set<RawConnection>()
  /** Used in turn, as if each were a client's own. */
  readonly #free: RawConnection[] = []
  readonly #request: string
  readonly #everyMs: number
  readonly #uncounted: number
  readonly #total: number
  #startsAt = 0
  #sent = 0
  #responded = 0

  constructor({ url, path, headers, requestsPerSecond, seconds }: PacedOrder) {
    this.#url = url
    this.#request = requestText(url, path, headers)
    this.#everyMs = 1000 / requestsPerSecond
    this.#uncounted = Math.round(warmUpSeconds * requestsPerSecond)
    this.#total = this.#uncounted + Math.round(seconds * requestsPerSecond)
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: connections }, () => this.#connect()))
    this.#startsAt = performance.now()
    this.#turn()
    await this.#done.promise
    for (const connection of this.#open) connection.close()
  }

  async #connect(): Promise<void> {
    const connection = await RawConnection.open(this.#url, this.#done.reject)
    this.#open.add(connection)
    this.#free.push(connection)
  }

  // One whose last response has come is replaced.
  #release(connection: RawConnection): void {
    if (!connection.isOver) {
      this.#free.push(connection)
      return
    }
    this.#open.delete(connection)
    connection.close()
    this.#connect().catch(this.#done.reject)
  }

  // Never sleeps: timers of 1 ms would send in bursts of as many requests as there are in a millisecond, and the latency would
  // be the bursts'. The process runs at idle priority (pacing.ts), so that its turning takes nothing from the service.
  #turn(): void {
    this.#sendDue()
    if (this.#responded < this.#total) setImmediate(() => this.#turn())
  }

  #sendDue(): void {
    const now = performance.now()
    while (this.#sent < this.#total) {
      const meantFor = this.#startsAt + this.#sent * this.#everyMs
      const connection = meantFor <= now ? this.#free.shift() : undefined
      if (connection === undefined) return
      this.#send(connection, meantFor, now)
    }
  }

  #send(connection: RawConnection, meantFor: number, now: number): void {
    const isCounted = this.#sent >= this.#uncounted
    this.#sent += 1
    if (isCounted) this.late.add(now - meantFor)
    connection.ask(this.#request, () => {
      if (isCounted) this.took.add(performance.now() - meantFor)
      this.#release(connection)
      this.#responded += 1
      if (this.#responded === this.#total) this.#done.resolve()
    })
  }
}

async function carryOut(order: PacedOrder): Promise<PacedResult> {
  const load = new PacedLoad(order)
  await load.run()
  return { p50Ms: load.took.at(0.5), p99Ms: load.took.at(0.99), lateP99Ms: load.late.at(0.99) }
}

// A response that is wrong ends this process by its unhandled rejection, and with it the bench.
process.on('message', (order: PacedOrder) => void carryOut(order).then((result) => process.send?.(result)))
process.on('disconnect', () => process.exit())
