// The Destination of COPY and MOVE (RFC 4918 section 10.3): a second path in one request, which no policy would be asked about. It
// must lead where the first one leads, to the same route, and is sent as the service knows it: as a path.
import { problem } from '../errors/index.ts'
import type { OwnHosts } from '../http-edge/own-hosts.ts'
import { checkTarget } from '../http-edge/request-target.ts'
import type { PolicyLookup } from './policy-lookup.ts'
import { type CompiledRoute, upstreamTarget } from './route/compile.ts'

/** Whether a request of this method may name a second path. */
export function hasDestination(method: string): boolean {
  return method === 'COPY' || method === 'MOVE'
}

/** What decides about a Destination. */
export interface DestinationRules {
  policyLookup: PolicyLookup
  hosts: OwnHosts
  /** The one that covers the path of the request. */
  route: CompiledRoute
}

/**
 * The Destination to send.
 * @param rawHeaders of a COPY or MOVE, names and values in turn
 * @returns origin-form at the service; undefined when there is none, which is the service's to refuse
 * @throws Problem `invalid_request` for several, `path_not_canonical` for what is no path of ours, `forbidden` for another route's
 */
export function destinationOf(
  method: string,
  rawHeaders: readonly string[],
  { policyLookup, hosts, route }: DestinationRules,
): string | undefined {
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'destination')
  const [value] = values
  if (value === undefined) return undefined
  if (values.length > 1) throw problem('invalid_request', { detail: 'destination_repeated' })
  const host = /^https?:\/\/([^/]*)\//.exec(value)?.[1]
  if (host !== undefined && !hosts.has(host)) throw problem('forbidden', { detail: 'destination_host' })
  const checked = checkTarget(value, host ?? '')
  if (checked.outcome === 'refused') throw problem('path_not_canonical', { detail: `destination_${checked.detail}` })
  const covered = policyLookup.of(checked.target, method)
  if (covered?.route !== route) throw problem('forbidden', { detail: 'destination_elsewhere' })
  const isRefused = covered.policies === undefined || (checked.outcome === 'slashed' && route.encodedSlashes !== 'pass')
  if (isRefused) throw problem('path_not_canonical', { detail: 'destination_ambiguous' })
  return upstreamTarget(route, checked.target)
}

/**
 * Puts a Destination in the place of the client's.
 * @param fields names and values in turn
 */
export function replaceDestination(fields: string[], destination: string | undefined): void {
  if (destination === undefined) return
  for (let i = 0; i + 1 < fields.length; i += 2)
    if (fields[i]?.toLowerCase() === 'destination') fields[i + 1] = destination
}
