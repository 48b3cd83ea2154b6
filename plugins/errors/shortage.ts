// Shortages of this process itself: descriptors, ports, places for clients, and what is said of it, in words that lead
// somewhere. It is never the fault of whom we wanted to reach.
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'

/** What can be lacking, by the codes of system errors, and what is said of it. */
export const lacks = {
  EMFILE: 'this process has no file descriptor left: raise its limit (ulimit -n) or lower CARDEA_LIMIT_CONNECTIONS',
  ENFILE: 'this machine has no file descriptor left (fs.file-max)',
  EADDRNOTAVAIL: 'this machine has no local port left for connections to a service (net.ipv4.ip_local_port_range)',
  ENOBUFS: 'this machine has no memory left for connections',
  ENOMEM: 'this machine has no memory left for connections',
  connections: 'clients are turned away: as many connections are open as CARDEA_LIMIT_CONNECTIONS lets in',
  share:
    'a network is turned away: it holds half of the connections that CARDEA_LIMIT_CONNECTIONS lets in, and CARDEA_TRUSTED_PROXIES does not name it',
} as const satisfies Record<string, string>

/** Whether something is lacking here. @param code a system error's, such as `EMFILE`, `connections` or `share` */
export function isLack(code: string): code is keyof typeof lacks {
  return Object.hasOwn(lacks, code)
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

/** Memory of this machine or container, bytes. */
export function memoryLimit(): number {
  const total = totalmem()
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, total) : total
}

/**
 * How many clients may be connected, so that each can be forwarded to a service, and the store and the log are never without.
 * @param descriptors that the process may open
 */
export function connectionsWithin(descriptors: number): number {
  return Math.max(fewestConnections, Math.floor((descriptors - ownDescriptors) / 2))
}
