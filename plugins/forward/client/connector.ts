// The connector, which makes a socket to a service: plain or with TLS whose certificates are verified whatever the
// environment says (NODE_TLS_REJECT_UNAUTHORIZED). Bytes go to the connection without a stream's queue in between where Node
// can do that.
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { hearErrors } from '../../http-edge/socket-errors.ts'
import type { Connection } from './connection.ts'
import { NameLookup } from './dns.ts'

/** Where a service is, from the config alone. */
export interface ServiceAddress {
  /** `http:` or `https:` and host and port, as `URL` writes it; or `unix:` and a path. */
  origin: string
  connectMs: number
  /** The greatest age of a kept connection. */
  maxAgeMs: number
  /** What one response may send as heads and trailers, interim ones included. */
  responseHeadBytes: number
  /** `serverName`: what its certificate is to be for. The others are PEM text. */
  tls:
    | { ca?: string | undefined; cert?: string | undefined; key?: string | undefined; serverName: string | undefined }
    | undefined
}

/** A socket that is being connected, and the event that says that it is ready. */
export interface Connecting {
  socket: Socket
  readyEvent: 'connect' | 'secureConnect'
}

// One for all sockets: what was read is used up before the next read begins.
const readBuffer = Buffer.allocUnsafeSlow(65_536)
/** Probes of TCP begin after it, ms: a service that vanished is noticed in the end. */
const keepAliveInitialDelay = 60_000

export class Connector {
  readonly #address: ServiceAddress
  readonly #place: ReturnType<typeof placeOf>
  readonly #isEncrypted: boolean
  #session: Buffer | undefined

  constructor(address: ServiceAddress) {
    this.#address = address
    this.#place = placeOf(address.origin)
    this.#isEncrypted = address.origin.startsWith('https:')
  }

  /**
   * Begins to connect.
   * @param reader is given whatever arrives
   * @param asStream whether the socket may be handed on as a stream
   */
  connect(reader: Connection, asStream: boolean): Connecting {
    const socket = this.#socketFor(reader, asStream)
    hearErrors(socket)
    return { socket, readyEvent: this.#isEncrypted ? 'secureConnect' : 'connect' }
  }

  #socketFor(reader: Connection, asStream: boolean): Socket {
    if (this.#isEncrypted) return this.#connectTls(reader)
    return asStream ? this.#connectStream(reader) : this.#connectLean(reader)
  }

  #connectLean(reader: Connection): Socket {
    const callback = (bytes: number) => reader.onBytes(readBuffer, bytes)
    return connectPlain({ ...this.#place, onread: { buffer: readBuffer, callback } })
  }

  #connectStream(reader: Connection): Socket {
    return read(connectPlain(this.#place), reader)
  }

  #connectTls(reader: Connection): Socket {
    const { tls } = this.#address
    const host = 'host' in this.#place ? this.#place.host : ''
    const servername = tls?.serverName ?? (isIP(host) === 0 ? host : '')
    const options: ConnectionOptions = {
      ...this.#place,
      servername,
      rejectUnauthorized: true,
      ALPNProtocols: ['http/1.1'],
    }
    if (tls?.ca !== undefined) options.ca = tls.ca
    if (tls?.cert !== undefined) Object.assign(options, { cert: tls.cert, key: tls.key })
    if (this.#session !== undefined) options.session = this.#session
    const socket = connectTls(options)
    socket.on('session', (session) => {
      this.#session = session
    })
    // A session that was refused would be refused again.
    socket.on('error', () => {
      this.#session = undefined
    })
    return read(socket, reader)
  }
}

function placeOf(origin: string) {
  return origin.startsWith('unix:') ? { path: origin.slice('unix:'.length) } : tcpOf(new URL(origin))
}

// `URL` leaves out the port of the scheme and puts IPv6 addresses in brackets.
function tcpOf({ hostname, port, protocol }: URL) {
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  const defaultPort = protocol === 'https:' ? 443 : 80
  const { lookup } = new NameLookup()
  const place = { host, port: port === '' ? defaultPort : Number(port), lookup }
  return { ...place, noDelay: true, keepAlive: true, keepAliveInitialDelay }
}

function read(socket: Socket, reader: Connection): Socket {
  return socket.on('data', (part: Buffer) => void reader.onBytes(part, part.length))
}
