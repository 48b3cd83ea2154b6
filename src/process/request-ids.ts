// Request ids: what a refusal shows its client and what the log files it under. Made here, never taken from the client.
import { randomBytes } from 'node:crypto'

/** A source of ids that are unique over nodes and restarts and cost next to nothing: a random prefix and a count. */
export function requestIds(): () => string {
  const prefix = randomBytes(9).toString('base64url')
  let count = 0
  return () => {
    count += 1
    return `${prefix}-${count.toString(36)}`
  }
}
