// A service that does to the gateway whatever a service can do: it answers well, late, halfway, twice, as garbage, or not at
// all, and ends connections in every way. What it does is said by the last segment of the path.
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { later, startRawUpstream } from '../../support/upstream.ts'

type Behaviour = (socket: Socket, head: string) => void

const whole = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi'
const big = 'x'.repeat(2 * 1024 * 1024)
const upgradeSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** What it can do, by the name that stands in the path. */
const behaviours: Record<string, Behaviour> = {
  ok: (socket) => socket.write(whole),
  last: (socket) => socket.end(whole.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')),
  chunked: (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nEnd: yes\r\n\r\n'),
  untold: (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'),
  late: (socket) => later(20, () => socket.write(whole)),
  held: () => undefined,
  big: (socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big}`),
  dripping: (socket) => drip(socket, 10),
  hints: (socket) => socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n${whole}`),
  continues: (socket) => socket.write(`HTTP/1.1 100 Continue\r\n\r\n${whole}`),
  twice: (socket) => socket.write(whole + whole),
  'half-head': (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Le'),
  'half-body': (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf'),
  'half-chunk': (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf'),
  'half-reset': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf', () => later(2, () => socket.resetAndDestroy()))
  },
  ends: (socket) => socket.end(),
  resets: (socket) => socket.resetAndDestroy(),
  garbage: (socket) => socket.end('\x16\x03\x01\x00\r\n\r\n\0 nothing that anybody reads'),
  switches: (socket, head) => socket.write(websocketUpgrade(head)),
  'switches-and-resets': (socket, head) => {
    socket.write(websocketUpgrade(head), () => later(2, () => socket.resetAndDestroy()))
  },
  'switches-and-ends': (socket, head) => socket.end(websocketUpgrade(head)),
  refuses: (socket) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'),
}

/** Names for the last segment of a path. */
export const rudeBehaviours: readonly string[] = Object.keys(behaviours)

/** Starts the service; the caller closes it. */
export function startRudeService() {
  return startRawUpstream((socket, head) => {
    const [, name = ''] = /^\S+ [^ ?]*\/([^ ?/]*)/.exec(head) ?? []
    const behave = behaviours[name] ?? whenUnknown
    if (socket.writable) behave(socket, head)
  })
}

// A part of a tunnel, or a path that the fuzzer has bent.
const whenUnknown: Behaviour = (socket) => socket.write(whole)

function drip(socket: Socket, left: number): void {
  if (left === 10) socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 20\r\n\r\n')
  if (left === 0 || !socket.writable) return
  socket.write('..')
  later(5, () => drip(socket, left - 1))
}

function websocketUpgrade(head: string): string {
  const [, key = ''] = /^sec-websocket-key: *(\S*)/im.exec(head) ?? []
  const accept = createHash('sha1').update(`${key}${upgradeSuffix}`).digest('base64')
  const fields = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`]
  return `HTTP/1.1 101 Switching Protocols\r\n${fields.join('\r\n')}\r\n\r\n`
}
