// Who may reach the gateway, and by which names: the part of the config that hosts, origins, proxies and pages are judged by. Made
// by the loader.
import type { OwnHostsOptions } from '../../plugins/own-hosts.ts'
import type { KnobValues } from './knobs.ts'

export interface ReachConfig {
  /** The hosts we answer for. */
  hosts: OwnHostsOptions
  /** Swagger UI is served. */
  docs: boolean
  /** The operators' page is served. */
  ops: boolean
  /** Browsers shall only ever come by https. */
  hsts: boolean
  /** Addresses or networks (CIDR) of proxies. */
  trustedProxies: string[]
  /** Exact origins beside our own. */
  allowedOrigins: string[]
  /** What `/auth/verify` says of a request that no route covers. */
  verify: { uncovered: 'refuse' | 'authenticated' }
}

/** The part of the config. @param all values without mistakes */
export function reachOf(all: KnobValues, issuer: string, production: boolean): ReachConfig {
  return {
    hosts: { issuer, listed: all.hosts ?? [], loopback: !production },
    docs: all.docs ?? !production,
    ops: all.ops,
    hsts: all.hsts,
    trustedProxies: all.trustedProxies ?? [],
    allowedOrigins: all.allowedOrigins ?? [],
    verify: { uncovered: all.verifyUncovered },
  }
}
