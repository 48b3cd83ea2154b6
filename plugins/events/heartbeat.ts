// What this node says about itself, every few seconds, so that any node can tell an operator which nodes there are.
// Used by the events plugin. A heartbeat that fails is no matter: the next one says the same.
import type { EventStore, NodeReport } from '../session-store/event-store.ts'

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
