// TLS towards Redis: the files that REDIS_URL names, and a connector that says which server it looks for (SNI, RFC 6066 section 3).
// ioredis says no name, and many servers share an address. It must never connect to a server whose certificate is not checked.
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type SecureContextOptions, connect as secureConnect, type TLSSocket } from 'node:tls'
import { AbstractConnector, type RedisOptions } from 'ioredis'
import type { RedisTlsFiles } from './address.ts'

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
    const socket = secureConnect({ ...tls, host, port, ...(isIP(host) === 0 && { servername: host }) })
    // To the last: one that is given up during its handshake may err twice, when nobody else listens any more.
    socket.on('error', (error) => {
      this.firstError ??= error
    })
    this.stream = socket
    return socket
  }
}
