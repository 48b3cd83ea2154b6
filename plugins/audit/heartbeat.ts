// The heartbeat of this node, which says every few seconds how it is, so that any node can tell an operator which nodes there
// are. A heartbeat that fails is no matter: the next one says the same.
import type { EventStore, NodeReport } from '../session-store/port/events.ts'

const everyMs = 5000

/**
 * Begins to report.
 * @param report says how the node is now
 * @returns ends it
 */
export function startHeartbeat(store: EventStore, report: () => NodeReport): () => void {
  const beat = () => void store.heartbeat(report()).catch(() => undefined)
  beat()
  const timer = setInterval(beat, everyMs).unref()
  return () => clearInterval(timer)
}
