// What a process has counted since it started, whichever app counted it: a reload builds a new app, and a counter that falls
// would be read as a restart. Made by whoever builds apps; each app adds to it, the metrics plugin reads it.
import { newCounts } from '../counts.ts'
import { ruleTable } from '../events/rules.ts'
import type { RouteMeter } from '../forward/meter.ts'
import { Histogram } from '../histogram.ts'
import { reasonTable } from '../usage.ts'
import { newStoreLatency } from './timed-store.ts'

const minute = 60
const ageBounds = [1, 10, minute, 5 * minute, 15 * minute, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400]
const rotationBounds = [1, 2, 5, 10, 50, 100, 500, 1000, 5000]
const propagationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]
const revocationKinds = ['session', 'subject', 'everyone', 'token', 'signing_key']

export class Totals {
  /** Events by reason. */
  readonly events = newCounts(Object.keys(reasonTable))
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
  /** From a revocation, on whichever node, to this one knowing of it, s. */
  readonly propagation = new Histogram(propagationBounds)
  readonly storeLatency = newStoreLatency()
  /** What routes have forwarded, by prefix. */
  readonly meters = new Map<string, RouteMeter>()
  /** The app that is ready since last: one that is only finishing hears everything as well. */
  newest: object | undefined
}
