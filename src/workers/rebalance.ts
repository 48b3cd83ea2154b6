// Connections spread evenly over workers. All accept from one queue, and whoever is awake takes what comes: after a burst, or when
// a worker was replaced, one would serve most of the clients for as long as they stay connected. So a worker that holds more than
// its share lets some leave after a response (RFC 9112 section 9.6), and they come back to whoever is free. No request is lost by it.
import cluster, { type Worker } from 'node:cluster'

const everyMs = 250
/** A difference that is not worth a new connection. */
const slackConnections = 2
const slackShare = 0.05

/** What a worker shares out: connections it holds. */
export interface Holder {
  readonly connections: number
  /** Lets so many connections leave from now on, each with its next response; 0 for none any more. */
  closeAfterNextResponse(count: number): void
}

/** In the primary: from now on a worker that says what it holds is told what is too much. @param workers those that serve */
export function rebalance(workers: () => Iterable<Worker>): void {
  const held = new WeakMap<Worker, number>()
  const told = new WeakMap<Worker, number>()
  cluster.on('message', (worker, message) => {
    // Boundary: what `reportConnections` sends, among what others do.
    const { connections } = message as { connections?: number }
    if (connections === undefined) return
    held.set(worker, connections)
    const serving = [...workers()].filter((one) => held.has(one))
    if (!serving.includes(worker)) return
    const surplus = surplusOf(
      connections,
      serving.map((one) => held.get(one) ?? 0),
    )
    if (surplus === 0 && (told.get(worker) ?? 0) === 0) return
    told.set(worker, surplus)
    worker.send({ surplus })
  })
}

/** In a worker: from now on the primary knows what it holds, and it lets go what is too much. Elsewhere it does nothing. */
export function reportConnections(holder: Holder): void {
  if (!cluster.isWorker) return
  // Always, though nothing has changed: what it is told answers what it has just said, never an older number.
  const report = () => process.connected && process.send?.({ connections: holder.connections })
  setInterval(report, everyMs).unref()
  process.on('message', (message) => {
    // Boundary: what `rebalance` sends, among what others do.
    const { surplus } = message as { surplus?: number }
    if (surplus !== undefined) holder.closeAfterNextResponse(surplus)
  })
}

/**
 * What is more than an even share.
 * @param own connections of one worker
 * @param all of each worker, this one too
 * @returns how many it should let go; 0 where the difference is small
 */
export function surplusOf(own: number, all: readonly number[]): number {
  const share = all.reduce((sum, held) => sum + held, 0) / all.length
  const slack = Math.max(slackConnections, share * slackShare)
  return own - share >= slack ? Math.floor(own - share) : 0
}
