// The address of the client, read once, when its request comes: the peer's, or the one that trusted proxies name in
// X-Forwarded-For. Whoever counts, records or forwards by address takes it from here and from nowhere else. A peer that is gone
// has no address any more at its socket, so it is noted with the connection.
import { BlockList, isIP, isIPv4, type Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import ipaddr from 'ipaddr.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether a request comes from a trusted proxy, whose word about its client counts. */
    isTrustedPeer(request: FastifyRequest): boolean
  }
  interface FastifyRequest {
    /**
     * The address of the client, without port, in canonical form; an IPv4 address mapped into IPv6 is the IPv4 address.
     * `unknown` (RFC 7239 section 6.2) when the peer was gone before anybody could ask.
     */
    readonly clientAddress: string
    /** Addresses from the client to the peer: only the peer's unless that is a trusted proxy. Null until the request has been met. */
    clientPath: readonly string[] | null
  }
}

export interface ClientAddressOptions {
  /** Addresses or networks of the proxies whose X-Forwarded-For counts. */
  trustedProxies: readonly string[]
}

/** Who is no longer connected, or names no address (RFC 7239 section 6.2). */
export const unknown = 'unknown'

/** More than this many proxies, one behind the other, are nobody's network; the one that was reached counts as the client. */
const maxHops = 32

/** An address in quotes and brackets with the longest port is shorter. */
const maxNode = 80

/**
 * The address in a node identifier as proxies write it (RFC 7239 section 6): `203.0.113.7`, `203.0.113.7:40001`, `2001:db8::7`,
 * `[2001:db8::7]`, `[2001:db8::7]:40001`, each also in quotes.
 * @returns its canonical form; undefined for what names no address, such as `unknown` and `_hidden`
 */
export function addressIn(node: string): string | undefined {
  if (node.length > maxNode) return undefined
  const plain = node.trim().replace(/^"(.*)"$/, '$1')
  const [, bracketed, dotted] = withPort.exec(plain) ?? []
  const address = bracketed ?? dotted ?? plain
  return isIP(address) === 0 || address.includes('%') ? undefined : canonical(address)
}

// A port is digits or an obfuscated name. An IPv6 address without brackets has no port: its colons are its own.
const withPort = /^(?:\[([^\]]*)\]|([\d.]+))(?::(?:\d{1,5}|_[\w.-]+))?$/

/**
 * The addresses from a client to the peer. The list is walked from the peer outwards and ends at the first address that is not
 * trusted: what stands before it is hearsay. What is no address ends it as well: then the proxy that wrote it stands for its client.
 * @param peer the peer's own path, which is its address alone
 * @param field X-Forwarded-For, several joined by commas
 */
function pathFrom(peer: readonly string[], field: string | undefined, trusted: BlockList): readonly string[] {
  const [nearest = unknown] = peer
  if (field === undefined || !isTrusted(trusted, nearest)) return peer
  const path = [nearest]
  let end = field.length
  for (let hop = 0; hop < maxHops && end >= 0; hop += 1) {
    const comma = end === 0 ? -1 : field.lastIndexOf(',', end - 1)
    const node = field.slice(comma + 1, end)
    end = comma
    // RFC 9110 section 5.6.1.2: empty elements of a list MUST be ignored.
    if (node.length <= maxNode && node.trim() === '') continue
    const address = addressIn(node)
    if (address === undefined) break
    path.unshift(address)
    if (!isTrusted(trusted, address)) break
  }
  return path
}

function isTrusted(trusted: BlockList, address: string): boolean {
  return address !== unknown && trusted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

function canonical(address: string): string {
  return address.includes(':') ? ipaddr.process(address).toString() : address
}

// A path of one, made once for a connection: requests without a proxy make nothing.
const peers = new WeakMap<Socket, readonly string[]>()

/** The peer's own path, which is its address alone in canonical form, or `unknown`. */
export function peerOf(socket: Socket): readonly string[] {
  const known = peers.get(socket)
  if (known !== undefined) return known
  const address = socket.remoteAddress
  const peer = [address === undefined || isIP(address) === 0 ? unknown : canonical(address)]
  peers.set(socket, peer)
  return peer
}

/** @param trustedProxies addresses and networks @returns whether an address, in canonical form, is one of them */
export function trustIn(trustedProxies: readonly string[]): (address: string) => boolean {
  const list = listOf(trustedProxies)
  return (address) => isTrusted(list, address)
}

function listOf(trustedProxies: readonly string[]): BlockList {
  const list = new BlockList()
  for (const proxy of trustedProxies) {
    const [address = '', bits] = proxy.split('/')
    const type = isIPv4(address) ? 'ipv4' : 'ipv6'
    if (bits === undefined) list.addAddress(address, type)
    else list.addSubnet(address, Number(bits), type)
  }
  return list
}

async function clientAddress(app: FastifyInstance, { trustedProxies }: ClientAddressOptions): Promise<void> {
  const trusted = trustedProxies.length === 0 ? undefined : listOf(trustedProxies)
  app.decorateRequest('clientPath', null)
  app.decorateRequest('clientAddress', {
    getter(this: FastifyRequest) {
      return this.clientPath?.[0] ?? unknown
    },
  })
  app.decorate(
    'isTrustedPeer',
    ({ raw }) => trusted !== undefined && isTrusted(trusted, peerOf(raw.socket)[0] ?? unknown),
  )
  app.server.on('connection', peerOf)
  app.addHook('onRequest', (request, _reply, done) => {
    const { socket, headers } = request.raw
    const peer = peerOf(socket)
    const field = trusted === undefined ? undefined : headers['x-forwarded-for']
    // Boundary: Node joins repeated fields of this name, its types do not know that.
    request.clientPath = trusted === undefined ? peer : pathFrom(peer, field as string | undefined, trusted)
    done()
  })
}

/** Fastify plugin: decorates `request.clientAddress`, `request.clientPath` and `app.isTrustedPeer`. Registered before whoever needs them has hooks. */
export default fp(clientAddress, { name: 'client-address', fastify: '5.x' })
