// Balancing: the choice of the instance that gets a request, and the time out of those that failed. It counts what says that
// an instance is not there; a response that only this request deserves, such as 500, is not that.
import { problem } from '../../errors/index.ts'
import type { PlaceKind } from '../route/caller-shares.ts'
import type { CompiledRoute, Instance } from '../route/compile.ts'

/**
 * How an attempt failed. `unsent`: there was no connection, so nothing of the request has left. `unavailable`: 502, 503 or
 * 504, no response in time, or a connection that broke.
 */
export type Failure = 'unsent' | 'unavailable'

/**
 * The instance for the next request or stream: of those that are in and have room, the next in turn or the one with the least
 * to do.
 * One whose time out has passed gets a single request as a trial.
 * @throws Problem `overloaded` when none has room, `upstream_unavailable` when none is in
 */
export function pickInstance(route: CompiledRoute, kind: PlaceKind, nowMs: number): Instance {
  const found = findInstance(route, kind, nowMs, undefined)
  if (found === undefined) throw unavailable(route, nowMs)
  return found
}

/**
 * The instance for another attempt.
 * @param besides the one that has just failed
 * @returns undefined when there is no other
 */
export function findInstance(
  route: CompiledRoute,
  kind: PlaceKind,
  nowMs: number,
  besides: Instance | undefined,
): Instance | undefined {
  const { instances, next } = route
  let best: Instance | undefined
  for (let i = 0; i < instances.length; i += 1) {
    const at = (next + i) % instances.length
    const instance = instances[at]
    if (instance === undefined || instance === besides || !hasRoom(instance, kind, route, nowMs)) continue
    if (best !== undefined && instance[kind] >= best[kind]) continue
    best = instance
    route.next = at + 1
    if (route.balance === 'round-robin') break
  }
  if (best !== undefined && best.outUntilMs > 0) beginTrial(best, route, nowMs)
  return best
}

/** Notes that an instance answered: whatever was held against it is forgotten. */
export function noteSuccess(instance: Instance): void {
  instance.failures = 0
  instance.timesOut = 0
  instance.outUntilMs = 0
  instance.isOnTrial = false
}

/**
 * Notes a failure, and takes the instance out when there were too many in a row, or when this was its trial. The last one
 * stays in while it can be reached at all: a service that answers badly is worth more than none.
 * @returns for how long it is out from now on, ms; 0 when nothing has changed
 */
export function noteFailure(route: CompiledRoute, instance: Instance, failure: Failure, nowMs: number): number {
  instance.failures += 1
  // What was under way when it was taken out says nothing new.
  if (instance.outUntilMs > nowMs && !instance.isOnTrial) return 0
  instance.isOnTrial = false
  if (instance.failures < route.ejection.failures) return 0
  if (failure === 'unavailable' && isLastOne(route, instance)) {
    instance.outUntilMs = 0
    return 0
  }
  const { firstMs, maxMs } = route.ejection
  const outMs = Math.min(maxMs, firstMs * 2 ** Math.min(instance.timesOut, doublingLimit))
  instance.timesOut += 1
  instance.outUntilMs = nowMs + outMs
  return outMs
}

const doublingLimit = 20

function hasRoom(instance: Instance, kind: PlaceKind, route: CompiledRoute, nowMs: number): boolean {
  const most = kind === 'requests' ? route.maxConcurrent : route.maxStreams
  return instance[kind] < most && !instance.isSick && instance.outUntilMs <= nowMs
}

// A trial buys itself time: should nothing come of it, not even a failure, the next one follows later.
function beginTrial(instance: Instance, { ejection, connectMs }: CompiledRoute, nowMs: number): void {
  instance.isOnTrial = true
  instance.outUntilMs = nowMs + ejection.firstMs + connectMs
}

function isLastOne({ instances }: CompiledRoute, instance: Instance): boolean {
  return instances.every((other) => other === instance || other.isSick || other.outUntilMs > 0)
}

function unavailable({ prefix, instances, health }: CompiledRoute, nowMs: number) {
  const at = { prefix }
  if (instances.some(({ isSick, outUntilMs }) => !isSick && outUntilMs <= nowMs)) {
    return problem('overloaded', { detail: 'upstream_busy', at })
  }
  const waitsMs = instances.map(({ isSick, outUntilMs }) =>
    isSick ? (health?.intervalMs ?? 0) : Math.max(0, outUntilMs - nowMs),
  )
  const seconds = Math.max(1, Math.ceil(Math.min(...waitsMs) / 1000))
  const headers = { 'retry-after': String(seconds) }
  return problem('upstream_unavailable', { detail: 'upstream_out', headers, at })
}
