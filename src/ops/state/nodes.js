// A node of the gateway that is behind: its revocation log is old, or it has not been heard of. Pure; used by the first view
// and the view of the system, which both say it in words.

/** A node's revocation log is followed all the time: seconds without news mean that it has lost the store, in ms. */
export const logAgeWarningMs = 5000

/** Nodes report every few seconds; after this long one is gone or stuck, in ms. */
export const unseenWarningMs = 30_000

/**
 * What is wrong with a node.
 * @param {import('./wire.ts').OverviewView['nodes'][number]} node
 * @param {number} nowMs
 * @returns {'unseen' | 'late' | undefined} undefined when nothing is
 */
export function lagOf(node, nowMs) {
  if (nowMs - Date.parse(node.seen_at) > unseenWarningMs) return 'unseen'
  return node.revocation_log_age_ms > logAgeWarningMs ? 'late' : undefined
}
