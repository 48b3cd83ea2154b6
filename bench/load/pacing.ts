// Targets under requests at a set pace (paced-load.ts): what one adds to the latency of another.
import type { ChildProcess } from 'node:child_process'
import { undisturbed } from '../measure/disturbance.ts'
import { median } from '../measure/median.ts'
import { startAside } from '../targets/processes.ts'
import type { Target } from './load.ts'
import type { PacedOrder, PacedResult } from './paced-load.ts'

/** Short rounds, and many: a hitch of the machine spoils one of them and the median does not see it. */
const rounds = 15
const seconds = 0.5

/** What was added, ms: medians over rounds of the difference within a round. */
export interface Added {
  p50Ms: number
  p99Ms: number
  /** The limit's own p99, which it is added to. */
  limitP99Ms: number
  /** The same difference of p99 between the limit and the limit again: what a figure of this bench is uncertain by. */
  floorP99Ms: number
  /** How late the load itself was, p99. */
  lateP99Ms: number
}

/**
 * Measures the limit, the target and the limit again in each round, all at the same pace.
 * @throws Error when a response was wrong
 */
export async function measureAdded(
  [limit, target]: readonly [Target, Target],
  path: string,
  requestsPerSecond: number,
): Promise<Added> {
  const load = startAside('bench/load/paced-load.ts')
  const fire = (at: Target) => order(load, at, { path, requestsPerSecond, seconds })
  const measured: [PacedResult, PacedResult, PacedResult][] = []
  for (let round = 0; round < rounds; round++) {
    measured.push(await undisturbed(async () => [await fire(limit), await fire(target), await fire(limit)]))
  }
  load.disconnect()
  const middle = (of: (before: PacedResult, through: PacedResult, after: PacedResult) => number) =>
    median(measured.map((round) => of(...round)))
  return {
    p50Ms: middle((before, through, after) => through.p50Ms - (before.p50Ms + after.p50Ms) / 2),
    p99Ms: middle((before, through, after) => through.p99Ms - (before.p99Ms + after.p99Ms) / 2),
    limitP99Ms: middle((before, _, after) => (before.p99Ms + after.p99Ms) / 2),
    floorP99Ms: middle((before, _, after) => after.p99Ms - before.p99Ms),
    lateP99Ms: middle((_, through) => through.lateP99Ms),
  }
}

async function order(
  load: ChildProcess,
  { name, url, headers }: Target,
  pace: Pick<PacedOrder, 'path' | 'requestsPerSecond' | 'seconds'>,
): Promise<PacedResult> {
  const { promise, resolve, reject } = Promise.withResolvers<PacedResult>()
  const fail = () => reject(new Error(`${name}: the load ended before its time`))
  load.once('message', resolve).once('exit', fail)
  const ordered: PacedOrder = { url, headers, ...pace }
  load.send(ordered)
  return promise.finally(() => load.off('message', resolve).off('exit', fail))
}
