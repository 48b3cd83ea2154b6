// TLS towards Redis: the files that REDIS_URL names, and a connector that says which server it looks for (SNI, RFC 6066 section 3).
// ioredis says no name, and many servers share an address. It must never connect to a server whose certificate is not checked.
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type ConnectionOptions, type SecureContextOptions, connect as secureConnect, type TLSSocket } from 'node:tls'
import { AbstractConnector, type RedisOptions } from 'ioredis'
import type { RedisNode, RedisTlsFiles } from './address.ts'

/**
 * Reads the files of a connection.
 * @throws Error that names the option whose file cannot be read
 */
export function tlsOptions(files: RedisTlsFiles = {}): SecureContextOptions {
  return Object.fromEntries(Object.entries(files).map(([option, path]) => [option, read(option, path)]))
}

function read(option: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : 'unknown error'
    throw new Error(`REDIS_URL: the file of ${option}= cannot be read (${code}): name a file that this user may read`)
  }
}

/** Begins a connection to one server, and says which one is looked for. @param tls what is shown and trusted */
export function connectSecurely({ host, port }: RedisNode, tls: ConnectionOptions | undefined): TLSSocket {
  // A name is sent; an address is none (RFC 6066 section 3).
  return secureConnect({ ...tls, host, port, ...(isIP(host) === 0 && { servername: host }) })
}

/** Connects to one server by TLS. */
export class TlsConnector extends AbstractConnector {
  readonly #options: RedisOptions

  constructor(options: unknown) {
    // Boundary: ioredis gives the options of the client that it makes this for.
    const given = options as RedisOptions
    super(given.disconnectTimeout ?? 0)
    this.#options = given
  }

  /** @throws Error when the connection was given up before it began */
  async connect(): Promise<TLSSocket> {
    const { host = '127.0.0.1', port = 6379, tls } = this.#options
    this.connecting = true
    await new Promise((resolve) => process.nextTick(resolve))
    if (!this.connecting) throw new Error('Connection is closed.')
    const socket = connectSecurely({ host, port }, tls)
    // To the last: one that is given up during its handshake may err twice, when nobody else listens any more.
    socket.on('error', (error) => {
      this.firstError ??= error
    })
    this.stream = socket
    return socket
  }
}
