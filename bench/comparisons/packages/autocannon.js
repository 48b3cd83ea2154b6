// The load of autocannon, which stands in where there is no wrk.
import autocannon from 'autocannon'

/**
 * Keeps every connection busy.
 * @param {{ url: string, connections: number, duration: number, headers: Record<string, string> }} load duration in s
 * @returns {Promise<{
 *   non2xx: number, errors: number, requests: { total: number, average: number }, latency: { p50: number, p99: number }
 * }>}
 */
export function runAutocannon(load) {
  return autocannon(load)
}
