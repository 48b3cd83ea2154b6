// The totals of a process since it started, whichever app counted: a reload builds a new app, and a counter that falls would
// be read as a restart. Each app adds to it, the metrics plugin reads it.
import { newCounts } from '../audit/counts.ts'
import { reasons } from '../audit/reasons/index.ts'
import { ruleTable } from '../audit/rules.ts'
import type { RouteMeter } from '../forward/route/meter.ts'
import { Histogram } from './histogram.ts'
import { Propagation } from './propagation.ts'

const minute = 60
const ageBounds = [1, 10, minute, 5 * minute, 15 * minute, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400]
const rotationBounds = [1, 2, 5, 10, 50, 100, 500, 1000, 5000]
const revocationKinds = ['session', 'subject', 'everyone', 'token', 'signing_key']

export class Totals {
  /** Events by reason. */
  readonly events = newCounts(reasons)
  /** Events and refusals that were not kept. */
  readonly lost = { dropped: 0, sampled: 0 }
  /** Signals that this node was the first to find, by rule. */
  readonly signals = newCounts(Object.keys(ruleTable))
  /** Age of refresh tokens when they are presented, s. */
  readonly tokenAges = new Histogram(ageBounds)
  /** Rotations a session has had, at each of them. */
  readonly rotations = new Histogram(rotationBounds)
  /** What this node revoked, by kind. */
  readonly revocations = newCounts(revocationKinds)
  /** Revocations, on whichever node, on their way to this one. */
  readonly propagation = new Propagation()
  /** Responses of the gateway's own routes, by `route status`. */
  readonly ownResponses = new Map<string, number>()
  /** What routes have forwarded, by prefix. */
  readonly meters = new Map<string, RouteMeter>()
}
