// The meter of a route: numbers only, allocated once a route, so that a request pays for a few additions and no more.
import { Histogram } from '../../metrics/histogram.ts'

/** Upper bounds for tunnels, s: from one that broke at once to one that is open for a day. */
const tunnelBounds = [1, 10, 60, 600, 3600, 14_400, 86_400] as const

export class RouteMeter {
  readonly prefix: string
  /** responses of the service by the first digit of their status; of 1xx only the 101 that opens a tunnel. */
  readonly responses = new Float64Array(6)
  /** The service gave no response that could be passed on. */
  failed = 0
  /** The response had begun, and broke off. */
  broken = 0
  /** How often each instance was taken out, by its origin. */
  readonly ejections = new Map<string, number>()
  /** The client went away before its response began. */
  left = 0
  /** From sending a request to the first byte of its response, s. */
  readonly latency = new Histogram()
  /**
   * How long tunnels were open that have ended, s. Apart from the latency, which has the time to their 101: what is open for
   * hours says nothing of how soon a service answers, and would drown what does.
   */
  readonly tunnels = new Histogram(tunnelBounds)

  constructor(prefix: string) {
    this.prefix = prefix
  }

  /** A response that begins and ends at once. @param statusCode 101 for a tunnel that opens, else 200 to 999 */
  responded(statusCode: number, latencyMs: number): void {
    this.began(latencyMs)
    this.ended(statusCode)
  }

  began(latencyMs: number): void {
    this.latency.observe(latencyMs / 1000)
  }

  /** The response is whole, or its client has left meanwhile. */
  ended(statusCode: number): void {
    const statusClass = Math.min(5, (statusCode / 100) | 0)
    this.responses[statusClass] = (this.responses[statusClass] ?? 0) + 1
  }

  ejected(origin: string): void {
    this.ejections.set(origin, (this.ejections.get(origin) ?? 0) + 1)
  }

  tunnelEnded(openMs: number): void {
    this.tunnels.observe(openMs / 1000)
  }
}
