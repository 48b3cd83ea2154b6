// Clients that vanished without a word (a link that is down) while something is being sent to them. TCP keep-alive asks only where
// nothing is being sent, and the kernel goes on repeating for about 15 minutes; Linux says of each connection how often it has
// repeated what nobody acknowledges (proc_net_tcp(5)), and Node has no TCP_USER_TIMEOUT. Elsewhere than on Linux nothing happens.
import { type FileHandle, open } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Of all TCP connections of this machine or container: IPv4, then IPv6. */
const kernelTables = ['/proc/net/tcp', '/proc/net/tcp6']
const lookEveryMs = 10_000
/** So many looks in a row must find a connection repeating, without a sign of life in between: half a minute. */
const looksUntilGone = 4
/** Of a client that was heard of in between, hardly ever so many are unanswered at the last look. */
const fewestRepeats = 4

/**
 * Ends the connections of clients that vanished, within a minute, for as long as a server listens.
 * @param sockets its open connections
 */
export function endVanishedClients(server: Server, sockets: ReadonlySet<Socket>): void {
  if (process.platform !== 'linux') return
  const vanished = new VanishedClients(sockets)
  let timer: NodeJS.Timeout | undefined
  server.on('listening', () => {
    const address = server.address()
    if (address === null || typeof address === 'string') return
    timer = setInterval(() => void vanished.look(address.port), lookEveryMs).unref()
  })
  server.once('close', () => clearInterval(timer))
}

interface Seen {
  repeats: number
  looks: number
}

export class VanishedClients {
  readonly #sockets: ReadonlySet<Socket>
  readonly #tables: readonly string[]
  #seen = new Map<string, Seen>()
  #isLooking = false

  /** @param tables files of the form of proc_net_tcp(5) */
  constructor(sockets: ReadonlySet<Socket>, tables: readonly string[] = kernelTables) {
    this.#sockets = sockets
    this.#tables = tables
  }

  /**
   * Looks once, and resets the connections that have repeated in vain for some looks; to be called every ten seconds. Never rejects.
   * @param port where the server listens
   */
  async look(port: number): Promise<void> {
    if (this.#isLooking || this.#sockets.size === 0) return
    this.#isLooking = true
    const seen = new Map<string, Seen>()
    for (const table of this.#tables) {
      for await (const lines of linesOf(table)) {
        for (const { connection, repeats } of repeating(lines, port)) {
          const before = this.#seen.get(connection)
          // It falls to nothing when anything is acknowledged.
          const looks = before !== undefined && before.repeats <= repeats ? before.looks + 1 : 1
          seen.set(connection, { repeats, looks })
        }
      }
    }
    this.#seen = seen
    this.#isLooking = false
    this.#end([...seen].filter(([, { repeats, looks }]) => looks >= looksUntilGone && repeats >= fewestRepeats))
  }

  // A reset rather than an end: the kernel forgets what it has still to send, and a client that comes back hears of it.
  #end(gone: readonly [string, Seen][]): void {
    if (gone.length === 0) return
    const connections = new Set(gone.map(([connection]) => connection))
    for (const socket of [...this.#sockets]) if (connections.has(connectionOf(socket))) socket.resetAndDestroy()
  }
}

function connectionOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${canonical(localAddress)} ${localPort} ${canonical(remoteAddress)} ${remotePort}`
}

function canonical(address = ''): string {
  const [plain = ''] = address.split('%')
  return ipaddr.isValid(plain) ? ipaddr.process(plain).toString() : plain
}

/** A connection whose other side acknowledges nothing at the moment. */
export interface Repeating {
  /** Address and port here, address and port there, with blanks between them; an IPv4 address mapped into IPv6 is the IPv4 address. */
  connection: string
  /** How often the same bytes, or questions for room, were sent again. */
  repeats: number
}

/**
 * Finds them in whole lines of `/proc/net/tcp` or `/proc/net/tcp6`.
 * @param port the local one
 */
export function repeating(lines: string, port: number): Repeating[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return [...lines.matchAll(line)].flatMap(
    ([, here = '', herePort, there = '', therePort = '', timer, sent, asked]) => {
      if (herePort !== hex) return []
      const repeats = timer === askingForRoom ? Number(asked) : Number.parseInt(sent ?? '', 16)
      if (repeats === 0) return []
      return [
        { connection: `${addressOf(here)} ${port} ${addressOf(there)} ${Number.parseInt(therePort, 16)}`, repeats },
      ]
    },
  )
}

// sl, local and remote address, st, tx_queue and rx_queue, tr and tm->when, retrnsmt, uid, timeout (probes, a decimal number). Only the
// two timers of a connection that has something to send: 1 repeats it, 4 asks a full reader whether there is room.
const line =
  /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]{2} [0-9A-F]+:[0-9A-F]+ 0([14]):[0-9A-F]+ ([0-9A-F]+) +\d+ +(\d+) /gm
const askingForRoom = '4'

// Words of 32 bits as this machine keeps them, each written as a number.
function addressOf(hex: string): string {
  const words = (hex.match(/.{8}/g) ?? []).map((word) => Number.parseInt(word, 16))
  return canonical(ipaddr.fromByteArray([...new Uint8Array(Uint32Array.from(words).buffer)]).toString())
}

const partBytes = 65_536
/** A table of half a million connections. */
const maxBytes = 64 * 1_048_576

// Part by part, so that nothing waits for a long table; a part ends with a line. A table that cannot be read is an empty one.
async function* linesOf(path: string): AsyncGenerator<string> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const buffer = Buffer.alloc(partBytes)
    let rest = ''
    for (let total = 0; total < maxBytes; ) {
      const { bytesRead } = await file.read(buffer, 0, partBytes)
      if (bytesRead === 0) break
      total += bytesRead
      const text = rest + buffer.toString('latin1', 0, bytesRead)
      const end = text.lastIndexOf('\n') + 1
      rest = text.slice(end)
      yield text.slice(0, end)
    }
  } catch {
    return
  } finally {
    await file?.close().catch(() => undefined)
  }
}
