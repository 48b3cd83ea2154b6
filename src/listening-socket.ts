// The socket that several workers accept from, held by their primary, which accepts nothing: while it is open the port stays open,
// and whoever connects while no worker lives waits for the next one. Node has no public way to hold a socket without accepting from
// it (`BoundSocket` of Node 26 ends with its first listener), so what is private of Node stands here and nowhere else.
import { lookup } from 'node:dns/promises'
import net from 'node:net'
import { getSystemErrorName } from 'node:util'

export interface ListeningSocket {
  address: { address: string; port: number }
  /** For `worker.send`, as the handle beside a message; the worker's server listens on what arrives there. */
  handle: net.Server
  /** Workers that have it keep it open. */
  close(): void
}

// Boundary: what net.Server itself makes its sockets with; bound, not listening. It returns a negative number for an error.
const { _createServerHandle: createHandle } = net as unknown as {
  _createServerHandle(address: string, port: number, version: 4 | 6): number | Handle
}

interface Handle {
  getsockname(name: { address?: string; port?: number }): number
  close(): void
}

/**
 * Binds a socket.
 * @param listen a name is looked up; port 0 is any free one
 * @throws Error with `code`, `address` and `port`, as listening throws it
 */
export async function bindSocket({ host, port }: { host: string; port: number }): Promise<ListeningSocket> {
  const found = await lookup(host)
  const handle = createHandle(found.address, port, found.family === 6 ? 6 : 4)
  const name: { address?: string; port?: number } = {}
  // A port that is taken is told by the second call (uv_tcp_bind puts it off).
  const problem = typeof handle === 'number' ? handle : handle.getsockname(name)
  if (typeof handle === 'number' || problem !== 0) {
    const code = getSystemErrorName(problem)
    throw Object.assign(new Error(`listen ${code}: ${host}:${port}`), { code, address: found.address, port })
  }
  return {
    address: { address: name.address ?? found.address, port: name.port ?? port },
    // Boundary: `send` takes a handle of this kind as it takes a server (child_process, `net.Native`).
    handle: handle as unknown as net.Server,
    close: () => handle.close(),
  }
}
