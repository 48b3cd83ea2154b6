// The hosts that this gateway answers for. A page that has its own name resolve to our address (DNS rebinding) sends that
// name as Host: to believe it would be to call that page our own. Pure.
import { isHost } from './request-headers.ts'

export interface OwnHostsOptions {
  /** Our URL as clients see it. */
  issuer: string
  /** Hosts beside the issuer's; one without a port stands for every port. */
  listed: readonly string[]
  /** Whether names that can only be this machine count, at any port. */
  loopback: boolean
}

export class OwnHosts {
  readonly #exact: ReadonlySet<string>
  readonly #atAnyPort: ReadonlySet<string>
  readonly #takesLoopback: boolean
  /** The same few come again and again. */
  #lastOwn: string | undefined

  constructor({ issuer, listed, loopback }: OwnHostsOptions) {
    const { host, hostname, protocol } = new URL(issuer)
    // A URL leaves out the port that its scheme implies; a client need not.
    const spelledOut = host === hostname ? [`${hostname}:${protocol === 'https:' ? 443 : 80}`] : []
    const others = listed.map((one) => one.toLowerCase())
    this.#exact = new Set([host, ...spelledOut, ...others.filter((one) => nameOf(one) !== one)])
    this.#atAnyPort = new Set(others.filter((one) => nameOf(one) === one))
    this.#takesLoopback = loopback
  }

  /**
   * Whether a host is ours.
   * @param host the value of a Host field (RFC 9110 section 7.2), or what a trusted proxy says of it
   */
  has(host: string): boolean {
    if (host === this.#lastOwn) return true
    if (!isHost(host)) return false
    const lower = host.toLowerCase()
    const name = nameOf(lower)
    const isOwn = this.#exact.has(lower) || this.#atAnyPort.has(name) || (this.#takesLoopback && isLoopback(name))
    if (isOwn) this.#lastOwn = host
    return isOwn
  }
}

// Less the port.
function nameOf(host: string): string {
  return host.replace(/:\d+$/, '')
}

/**
 * Tells whether a host can only be this machine (RFC 6761 section 6.3 for the name).
 * @param hostname as `URL` gives it: lower case, IPv6 in brackets
 */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|[a-z0-9.-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\]|::1)$/.test(hostname)
}
