// A wire between a client and a server of a test that can be cut, reset, silenced and counted.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** What a test needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void> | void): void
}

type Mode = 'open' | 'refusing' | 'silent'

export class TcpProxy {
  #targetPort: number
  readonly #sockets = new Set<Socket>()
  readonly #clients = new Set<Socket>()
  #server: Server
  #port = 0
  #mode: Mode = 'open'
  #hasResponse = true
  /** How often the client spoke after the server had (or first): one for each time somebody waited for the network. */
  roundTrips = 0
  /** How long each response of the server is held back, ms. */
  delayMs = 0
  /** Bytes of the client that went nowhere. */
  swallowed = 0
  /** The response to what the client sends with this text in it is lost, once. */
  losesResponseTo: string | undefined
  /** How many responses were lost so. */
  lost = 0

  constructor(targetPort: number) {
    this.#targetPort = targetPort
    this.#server = createServer((client) => this.#join(client))
  }

  get port(): number {
    return this.#port
  }

  /** Begins to listen on 127.0.0.1; on the same port again after `refuse`. */
  async open(): Promise<void> {
    this.#mode = 'open'
    if (this.#server.listening) return
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (address !== null && typeof address !== 'string') this.#port = address.port
  }

  /** New connections lead to another server from now on; those that are open stay where they are. */
  leadTo(port: number): void {
    this.#targetPort = port
  }

  /** Ends all connections by RST; new ones are accepted. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Ends all connections; new ones are refused, as when no process listens. */
  async refuse(): Promise<void> {
    this.#mode = 'refusing'
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
    this.#server = createServer((client) => this.#join(client))
  }

  /** Says something to every client that the server did not say. */
  inject(bytes: string): void {
    for (const client of this.#clients) client.write(bytes)
  }

  /** From now on nothing passes either way, and nobody is told: a cable pulled, a packet filter. New connections too. */
  silence(): void {
    this.#mode = 'silent'
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.refuse()
  }

  #join(client: Socket): void {
    const server = connect(this.#targetPort, '127.0.0.1')
    let isLosing = false
    this.#clients.add(client)
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#part(client, server))
    }
    client.on('data', (bytes) => {
      if (this.#mode !== 'open') {
        this.swallowed += bytes.length
        return
      }
      if (this.#hasResponse) this.roundTrips += 1
      this.#hasResponse = false
      if (this.losesResponseTo !== undefined && bytes.includes(this.losesResponseTo)) {
        this.losesResponseTo = undefined
        isLosing = true
      }
      server.write(bytes)
    })
    server.on('data', (bytes) => {
      if (this.#mode !== 'open') return
      this.#hasResponse = true
      if (isLosing) {
        isLosing = false
        this.lost += 1
        return
      }
      if (this.delayMs > 0) setTimeout(() => client.write(bytes), this.delayMs).unref()
      else client.write(bytes)
    })
  }

  #part(client: Socket, server: Socket): void {
    this.#clients.delete(client)
    for (const socket of [client, server]) {
      this.#sockets.delete(socket)
      socket.destroy()
    }
  }
}

/** A proxy in front of a port of 127.0.0.1, closed when the test ends. */
export async function startProxy(t: Ending, targetPort: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(targetPort)
  await proxy.open()
  t.teardown(() => proxy.close())
  return proxy
}
