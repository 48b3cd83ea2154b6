// The traffic that a config sends in clear over a network that may not be its own: to Redis and to services. It refuses
// nothing: whether a name leads into a private network only its operator knows.
import ipaddr from 'ipaddr.js'
import { parseRedisUrl } from '../../../plugins/session-store/redis/connection/address.ts'
import type { Draft } from '../draft.ts'

/**
 * One sentence for Redis and one for each route that production reaches in clear, elsewhere than on this machine or in a private
 * network.
 */
export function clearTextNotes({ values, routes, placeInRoutes }: Draft): string[] {
  const notes: string[] = []
  const redis = values.redisUrl === undefined ? undefined : clearHostOfRedis(values.redisUrl)
  if (redis !== undefined) {
    notes.push(
      `REDIS_URL speaks to ${redis} in clear: who is on the way reads sessions and password hashes, and can write rights; use rediss://, or a private network.`,
    )
  }
  for (const [at, { upstream }] of routes.entries()) {
    const host = [upstream].flat().map(clearHostOf).find(Boolean)
    if (host === undefined) continue
    notes.push(
      `${placeInRoutes([at, 'upstream'])} speaks to ${host} in clear: who is on the way can be anybody to that service; use https://, or a private network.`,
    )
  }
  return notes
}

function clearHostOfRedis(url: string): string | undefined {
  try {
    const address = parseRedisUrl(url)
    if (address.tls) return undefined
    const nodes =
      address.form === 'single' ? [address.node] : address.form === 'cluster' ? address.nodes : address.sentinels
    return nodes.map(({ host }) => host).find((host) => !isPrivate(host))
  } catch {
    // Another rule says what is wrong with it.
    return undefined
  }
}

function clearHostOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !isPrivate(hostname) ? hostname : undefined
}

/** Ranges, as `ipaddr.js` names them, that no public route leads to (RFC 1918, 4193, 6598, 3927). */
const privateRanges = new Set(['loopback', 'private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'])
// Names without a dot are those of a container's or a machine's own network; RFC 6762, 8375, 9476 and Kubernetes have the others.
const privateName = /^[^.]+$|\.(local|localhost|internal|lan|home\.arpa|svc)$/i

function isPrivate(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  if (!ipaddr.isValid(bare)) return privateName.test(bare)
  return privateRanges.has(ipaddr.process(bare).range())
}
