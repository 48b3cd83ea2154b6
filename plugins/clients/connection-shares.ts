// The shares of the places for connections: one network holds at most half of them, so that whoever opens as many connections as
// there can be does not keep out everybody else. A trusted proxy stands for many clients, and has no share.
import type { DropArgument, Socket } from 'node:net'
import { peerOf, trustIn, unknown } from './address.ts'
import { networkNames } from './network.ts'

// One customer: whoever is given a /48 or a /56 of IPv6 has all of it, and seldom more than one address of IPv4.
const networkOf = networkNames({ ipv4: 32, ipv6: 48 })

/** What the event `drop` of a server says of a connection beyond its network's share. */
export const overShare: DropArgument = {}

/** Ends a connection of a network that nobody needs. @returns false when there is none */
export type MakeRoom = (isOfNetwork: (socket: Socket) => boolean) => boolean

export class ConnectionShares {
  readonly #makeRoom: MakeRoom
  readonly #held = new Map<string, number>()
  #most = Number.POSITIVE_INFINITY
  #isTrusted: (address: string) => boolean = () => false

  /** @param makeRoom is asked where a network holds its share, before it is turned away */
  constructor(makeRoom: MakeRoom = () => false) {
    this.#makeRoom = makeRoom
  }

  /**
   * Sets the rule for connections from now on.
   * @param places for connections; without a number as many as there can be, and no shares
   * @param trustedProxies addresses and networks
   */
  set(places: number | undefined, trustedProxies: readonly string[]): void {
    this.#most = places === undefined ? Number.POSITIVE_INFINITY : Math.ceil(places / 2)
    this.#isTrusted = trustIn(trustedProxies)
  }

  /** Takes a place until a connection is closed. @returns false when the share of its network is taken; then nothing is */
  take(socket: Socket): boolean {
    const [address = unknown] = peerOf(socket)
    // Whoever is gone already holds no place.
    if (address === unknown || this.#isTrusted(address)) return true
    const network = networkOf(address)
    const held = this.#held.get(network) ?? 0
    // What makes room gives its place back when it is closed.
    if (held >= this.#most && !this.#makeRoom((other) => networkOf(peerOf(other)[0] ?? unknown) === network))
      return false
    this.#held.set(network, held + 1)
    socket.once('close', () => this.#giveBack(network))
    return true
  }

  #giveBack(network: string): void {
    const held = this.#held.get(network) ?? 1
    if (held === 1) this.#held.delete(network)
    else this.#held.set(network, held - 1)
  }
}
