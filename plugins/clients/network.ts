// The networks of an address: as much of it as events keep, so that they tell "elsewhere" from "here" and no more; what counts
// as one for limits; and from wide to narrow, for what is shared fairly. It must take any text, for a trusted proxy may send one.
import ipaddr from 'ipaddr.js'

/** Leading bits that are kept. */
export interface NetworkBits {
  ipv4: number
  ipv6: number
}

const rememberedAddresses = 5000

/**
 * Makes the function from an address to its network: `203.0.113.0/24`, `2001:db8:1::/48`.
 * @returns '' for what is no address; an IPv4 address mapped into IPv6 is the IPv4 address
 */
export function networkNames(bits: NetworkBits): (address: string) => string {
  const known = new Map<string, string>()
  return (address) => {
    const name = known.get(address)
    if (name !== undefined) return name
    if (known.size >= rememberedAddresses) known.clear()
    const made = networkName(address, bits)
    known.set(address, made)
    return made
  }
}

/**
 * The network that counts as one address for limits: an IPv4 address, or the /64 of an IPv6 address, which is what one customer
 * holds. What is no address counts as one, whatever it says.
 */
export const networkOf: (address: string) => string = networkNames({ ipv4: 32, ipv6: 64 })

const wideNetworks = [
  networkNames({ ipv4: 24, ipv6: 48 }),
  networkNames({ ipv4: 32, ipv6: 56 }),
  networkNames({ ipv4: 32, ipv6: 64 }),
]

/**
 * The networks of an address from wide to narrow, for shares: whoever has many addresses has them in few wide networks.
 * @returns /24 and address of IPv4; /48, /56 and /64 of IPv6
 */
export function networkPath(address: string): string[] {
  return [...new Set(wideNetworks.map((name) => name(address)))]
}

function networkName(text: string, bits: NetworkBits): string {
  if (text.length > 64 || !ipaddr.isValid(text)) return ''
  const address = ipaddr.process(text)
  const kept = address.kind() === 'ipv4' ? bits.ipv4 : bits.ipv6
  const bytes = address.toByteArray().map((byte, i) => byte & maskOf(kept - 8 * i))
  const masked = ipaddr.fromByteArray(bytes).toString()
  return kept === bytes.length * 8 ? masked : `${masked}/${kept}`
}

function maskOf(bitsLeft: number): number {
  return bitsLeft >= 8 ? 0xff : bitsLeft <= 0 ? 0 : (0xff << (8 - bitsLeft)) & 0xff
}
