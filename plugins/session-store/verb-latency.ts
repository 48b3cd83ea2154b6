// How long the verbs of a store take, as requests feel it, failures included. Each adapter keeps it where it runs a verb.
import { Histogram } from '../metrics/histogram.ts'

/** The verbs that are measured; not `readRevocations`, which waits on purpose. */
export const measuredVerbs = [
  'create',
  'rotate',
  'read',
  'list',
  'listAll',
  'markDelivered',
  'end',
  'endAll',
  'take',
  'giveBack',
  'find',
] as const

export type MeasuredVerb = (typeof measuredVerbs)[number]

export class VerbLatency {
  /** Seconds, by verb. */
  readonly histograms: ReadonlyMap<MeasuredVerb, Histogram> = new Map(
    measuredVerbs.map((verb) => [verb, new Histogram()]),
  )

  /**
   * Notes that a verb has ended, well or not.
   * @param verb undefined for one that is not measured
   * @param startedAtMs of `performance.now()`
   */
  note(verb: MeasuredVerb | undefined, startedAtMs: number): void {
    if (verb !== undefined) this.histograms.get(verb)?.observe((performance.now() - startedAtMs) / 1000)
  }
}
