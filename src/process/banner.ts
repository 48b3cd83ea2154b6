// The banner of a gateway that is up: three lines where, with the store and the first admin's password beside them. The
// password stands here and nowhere else, and only in the start that made it.
import { isIPv6 } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config/index.ts'
import { cardeaCommand } from './commands.ts'
import { type FirstAdmin, firstAdminName } from './first-start.ts'
import { print } from './log.ts'

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
 * Says that the gateway is up, once: people read plain lines; whatever collects logs in production reads JSON objects.
 * @param log of the process that was started
 */
export function announce(log: FastifyBaseLogger, facts: BannerFacts): void {
  const lines = bannerLines(facts)
  if (facts.config.production) for (const line of lines) log.info(line)
  else print(`${lines.join('\n')}\n`)
  for (const note of facts.config.notes) log.warn(note)
  if (facts.firstAdmin.outcome === 'missing') log.warn('There are no users, so nobody can sign in.')
}

/**
 * Writes the three lines: gateway, Swagger UI, operators.
 * @returns lines without line feeds
 */
function bannerLines({ config, address, store, firstAdmin, demoPrefix }: BannerFacts): [string, string, string] {
  const url = urlOf(address)
  const demo = demoPrefix === undefined ? '' : `, demo upstream at ${demoPrefix}`
  const workers = config.workers > 1 ? `, ${config.workers} workers` : ''
  const ops = config.ops ? `${url}/ops` : 'page off (CARDEA_OPS=true turns it on)'
  const docs = config.docs ? `${url}/docs` : 'off (CARDEA_DOCS=true turns it on)'
  return [
    `Cardea      ${url}  (store: ${store}${workers}${demo})`,
    `Swagger UI  ${docs}`,
    `operators   ${ops}  (${describeAdmin(firstAdmin)})`,
  ]
}

/**
 * The URL of this machine's own clients; an address that means "every one" is written as loopback.
 * @param address as the server gives it
 */
function urlOf({ address, port }: BannerFacts['address']): string {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`
}

function describeAdmin(firstAdmin: FirstAdmin): string {
  if (firstAdmin.outcome === 'present') return 'users are kept in the store'
  if (firstAdmin.outcome === 'missing') {
    return `no users yet; add one: ${cardeaCommand} users add ${firstAdminName} --role admin`
  }
  if (firstAdmin.from !== 'made') return `first admin: ${firstAdminName}, password from ${firstAdmin.from}`
  return `first admin: ${firstAdminName}, password: ${firstAdmin.password}  shown only now`
}
