// The addresses of a service's name, asked for once at a time and begun with in turn, so that all of them are used. Owned by connector.ts, one for each service. The system answers
// two such questions at once and no more (libuv), and takes its time where nobody knows the name: asked by every request, one
// name would keep all other services, and with them everything else that waits for a name, from being connected to.
import dns, { type LookupAddress, type LookupOptions } from 'node:dns'

type Told = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], ipVersion?: number) => void

export class NameLookup {
  #waiting: Told[] | undefined
  #turn = 0

  /** As `lookup` of node:dns, for the one name and with the one set of options that the service is connected by. */
  readonly lookup = (name: string, options: LookupOptions, told: Told): void => {
    if (this.#waiting !== undefined) {
      this.#waiting.push(told)
      return
    }
    this.#waiting = [told]
    dns.lookup(name, options, (error, found, ...more) => {
      const waiting = this.#waiting ?? []
      this.#waiting = undefined
      for (const one of waiting) one(error, this.#inTurn(found), ...more)
    })
  }

  // Where one cannot be reached the next ones follow (RFC 8305).
  #inTurn(addresses: string | LookupAddress[]): string | LookupAddress[] {
    if (!Array.isArray(addresses) || addresses.length < 2) return addresses
    const first = this.#turn % addresses.length
    this.#turn += 1
    return [...addresses.slice(first), ...addresses.slice(0, first)]
  }
}
