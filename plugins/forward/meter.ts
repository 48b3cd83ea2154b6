// What a route has forwarded: numbers only, allocated once a route, so that a request pays for a few additions and no more.
// Fed by the exchange; read by the metrics plugin.
import { Histogram } from '../histogram.ts'

export class RouteMeter {
  readonly prefix: string
  /** Answers of the service by the first digit of their status. */
  readonly answers = new Float64Array(6)
  /** The service gave no answer that could be passed on. */
  failed = 0
  /** The client went away before its answer began. */
  left = 0
  /** From sending a request to the first byte of its answer, s. */
  readonly latency = new Histogram()

  constructor(prefix: string) {
    this.prefix = prefix
  }

  /** @param statusCode 200 to 999 */
  answered(statusCode: number, latencyMs: number): void {
    const statusClass = Math.min(5, (statusCode / 100) | 0)
    this.answers[statusClass] = (this.answers[statusClass] ?? 0) + 1
    this.latency.observe(latencyMs / 1000)
  }
}
