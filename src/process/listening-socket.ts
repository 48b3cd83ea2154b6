// The socket that several workers accept from, held by their primary, which accepts nothing: while it is open the port stays open,
// and whoever connects while no worker lives waits for the next one.
import { lookup } from 'node:dns/promises'
import type { Server } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { bindUnheard } from '../../plugins/http-edge/node-internals.ts'

export interface ListeningSocket {
  address: { address: string; port: number }
  /** For `worker.send`, as the handle beside a message; the worker's server listens on what arrives there. */
  handle: Server
  /** Workers that have it keep it open. */
  close(): void
}

/**
 * Binds a socket.
 * @param listen a name is looked up; port 0 is any free one
 * @throws Error with `code`, `address` and `port`, as listening throws it
 */
export async function bindSocket({ host, port }: { host: string; port: number }): Promise<ListeningSocket> {
  const found = await lookup(host)
  const bound = bindUnheard(found.address, port, found.family === 6 ? 6 : 4)
  if (typeof bound === 'number') {
    const code = getSystemErrorName(bound)
    throw Object.assign(new Error(`listen ${code}: ${host}:${port}`), { code, address: found.address, port })
  }
  return { ...bound, address: { address: found.address, port, ...bound.address } }
}
