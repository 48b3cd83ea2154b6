// What this process itself runs short of: descriptors, ports, places for clients. Told by the request guard and by forwarding; said
// in the log in one line a minute, in words that lead somewhere. It is never the fault of whom we wanted to reach.
import { readFileSync } from 'node:fs'
import type { FastifyBaseLogger } from 'fastify'

/** What can be lacking, by the codes of system errors, and what is said of it. */
const sentences: Readonly<Record<string, string>> = {
  EMFILE: 'this process has no file descriptor left: raise its limit (ulimit -n) or lower CARDEA_LIMIT_CONNECTIONS',
  ENFILE: 'this machine has no file descriptor left (fs.file-max)',
  EADDRNOTAVAIL: 'this machine has no local port left for connections to a service (net.ipv4.ip_local_port_range)',
  ENOBUFS: 'this machine has no memory left for connections',
  ENOMEM: 'this machine has no memory left for connections',
  connections: 'clients are turned away: as many connections are open as CARDEA_LIMIT_CONNECTIONS lets in',
  share:
    'a network is turned away: it holds half of the connections that CARDEA_LIMIT_CONNECTIONS lets in, and CARDEA_TRUSTED_PROXIES does not name it',
}

/** Whether something is lacking here. @param code a system error's, such as `EMFILE`, `connections` or `share` */
export function isLack(code: string): boolean {
  return Object.hasOwn(sentences, code)
}

const everyMs = 60_000

export class Shortage {
  readonly #log: Pick<FastifyBaseLogger, 'warn'>
  readonly #now: () => number
  readonly #saidMs = new Map<string, number>()
  readonly #unsaid = new Map<string, number>()

  /** @param now monotonic, ms */
  constructor(log: Pick<FastifyBaseLogger, 'warn'>, now = () => performance.now()) {
    this.#log = log
    this.#now = now
  }

  /** Notes that something was lacking once more. @param what as of `isLack`; anything else is passed over */
  note(what: string): void {
    if (!isLack(what)) return
    const times = (this.#unsaid.get(what) ?? 0) + 1
    const nowMs = this.#now()
    const isDue = nowMs - (this.#saidMs.get(what) ?? Number.NEGATIVE_INFINITY) >= everyMs
    this.#unsaid.set(what, isDue ? 0 : times)
    if (!isDue) return
    this.#saidMs.set(what, nowMs)
    this.#log.warn({ lack: what, times }, sentences[what])
  }
}

/** Where the system does not say. */
const usualDescriptors = 1024
/** For the store, the log, listeners, names that are looked up, and what Node itself keeps. */
const ownDescriptors = 64
const fewestConnections = 16

/** How many descriptors this process may open (RLIMIT_NOFILE, getrlimit(2)); Node has raised it as far as it may. */
export function descriptorLimit(): number {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? usualDescriptors : Number(soft)
  } catch {
    return usualDescriptors
  }
}

/**
 * How many clients may be connected, so that each can be forwarded to a service, and the store and the log are never without.
 * @param descriptors that the process may open
 */
export function connectionsWithin(descriptors: number): number {
  return Math.max(fewestConnections, Math.floor((descriptors - ownDescriptors) / 2))
}
