// Connections spread evenly over workers. All accept from one queue, and whoever is awake takes what comes: after a burst, or when
// a worker was replaced, one would serve most of the clients for as long as they stay connected. So a worker that holds more than
// its share lets some leave after an answer (RFC 9112 section 9.6), and they come back to whoever is free. No request is lost by it.
import cluster, { type Worker } from 'node:cluster'

const everyMs = 250
/** A difference that is not worth a new connection. */
const slackConnections = 2
const slackShare = 0.05

/** What a worker shares out: connections it holds. */
export interface Holder {
  readonly connections: number
  /** Lets so many connections leave from now on, each with its next answer; 0 for none any more. */
  letLeave(count: number): void
}

/** In the primary: from now on those that hold too much are told so. @param workers those that serve */
export function keepEven(workers: () => Iterable<Worker>): void {
  const held = new WeakMap<Worker, number>()
  cluster.on('message', (worker, message) => {
    // Boundary: what `takePart` sends, among what others do.
    const { connections } = message as { connections?: number }
    if (connections !== undefined) held.set(worker, connections)
  })
  const told = new WeakMap<Worker, number>()
  const tell = (worker: Worker, surplus: number) => {
    if (surplus === 0 && (told.get(worker) ?? 0) === 0) return
    told.set(worker, surplus)
    worker.send({ surplus })
  }
  const compare = () => {
    const known = [...workers()].filter((worker) => held.has(worker) && worker.isConnected())
    const surpluses = surplusesOf(known.map((worker) => held.get(worker) ?? 0))
    for (const [i, worker] of known.entries()) tell(worker, surpluses[i] ?? 0)
  }
  setInterval(compare, everyMs).unref()
}

/** In a worker: from now on the primary knows what it holds, and it lets go what is too much. Elsewhere it does nothing. */
export function takePart(holder: Holder): void {
  if (!cluster.isWorker) return
  let said: number | undefined
  const report = () => {
    const { connections } = holder
    if (connections === said || !process.connected) return
    said = connections
    process.send?.({ connections })
  }
  setInterval(report, everyMs).unref()
  process.on('message', (message) => {
    // Boundary: what `keepEven` sends, among what others do.
    const { surplus } = message as { surplus?: number }
    if (surplus !== undefined) holder.letLeave(surplus)
  })
}

/**
 * What is more than an even share.
 * @param connections of each worker
 * @returns how many each should let go; 0 where the difference is small
 */
export function surplusesOf(connections: readonly number[]): number[] {
  const share = connections.reduce((sum, held) => sum + held, 0) / connections.length
  const slack = Math.max(slackConnections, share * slackShare)
  return connections.map((held) => (held - share >= slack ? Math.floor(held - share) : 0))
}
