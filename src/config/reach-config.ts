// The reach of the gateway, by whom and by which names: the part of the config that hosts, origins, proxies and pages are
// checked by.
import type { OwnHostsOptions } from '../../plugins/http-edge/own-hosts.ts'
import type { SettingValues } from './settings/index.ts'

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
export function reachOf(all: SettingValues, issuer: string, production: boolean): ReachConfig {
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
