// What the gateway says when it is up: three lines where, with the store and the first admin's password beside them.
// Called by the process only. The password stands here and nowhere else, and only in the start that made it.
import { isIPv6 } from 'node:net'
import type { Config } from './config.ts'
import { type FirstAdmin, firstAdminName } from './development.ts'

export interface BannerFacts {
  config: Config
  /** Where the server really listens. */
  address: { address: string; port: number }
  /** `store.description`. */
  store: string
  firstAdmin: FirstAdmin
  /** The demo upstream runs and is reached at this prefix. */
  demoPrefix: string | undefined
}

/**
 * Writes the three lines: gateway, Swagger UI, operators.
 * @returns lines without line feeds
 */
export function bannerLines({ config, address, store, firstAdmin, demoPrefix }: BannerFacts): [string, string, string] {
  const url = urlOf(address)
  const demo = demoPrefix === undefined ? '' : `, demo upstream at ${demoPrefix}`
  const docs = config.docs ? `${url}/docs` : 'off (CARDEA_DOCS=true turns it on)'
  return [
    `Cardea      ${url}  (store: ${store}${demo})`,
    `Swagger UI  ${docs}`,
    `operators   ${url}/admin/usage  (${describeAdmin(firstAdmin)})`,
  ]
}

/**
 * The URL of this machine's own clients; an address that means "every one" is written as loopback.
 * @param address as the server gives it
 */
export function urlOf({ address, port }: BannerFacts['address']): string {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`
}

function describeAdmin(firstAdmin: FirstAdmin): string {
  if (firstAdmin.outcome === 'present') return 'users are kept in the store'
  if (firstAdmin.outcome === 'missing') {
    return `no users yet; add one: npm run cardea -- users add ${firstAdminName} --role admin`
  }
  if (firstAdmin.from !== 'made') return `first admin: ${firstAdminName}, password from ${firstAdmin.from}`
  return `first admin: ${firstAdminName}, password: ${firstAdmin.password}  shown only now`
}
