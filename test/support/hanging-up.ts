// A client that sends a whole request and leaves: with FIN or with RST, at once or a little later. Everything goes to
// 127.0.0.1.
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** How a client leaves, and how long after its last byte. */
export interface HangUp {
  how: 'FIN' | 'RST'
  afterMs: number
}

/** Both ways, at four moments. */
export const hangUps: readonly HangUp[] = [0, 1, 5, 20].flatMap((afterMs) => [
  { how: 'FIN' as const, afterMs },
  { how: 'RST' as const, afterMs },
])

/** What a request with a JSON body, or none, is made of. */
export interface RawRequest {
  method: string
  url: string
  token?: string
  body?: object
}

/**
 * Sends a request and leaves.
 * @param trial stands in the field `x-trial`, by which the test knows what the server has met
 */
export async function sendAndLeave(port: number, request: RawRequest, trial: string, leave: HangUp): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect')
  await new Promise<void>((resolve) => socket.write(bytesOf(request, trial), () => resolve()))
  if (leave.afterMs > 0) await delay(leave.afterMs)
  if (leave.how === 'FIN') socket.destroy()
  else socket.resetAndDestroy()
}

function bytesOf({ method, url, token, body }: RawRequest, trial: string): string {
  const text = body === undefined ? '' : JSON.stringify(body)
  const fields = [
    `${method} ${url} HTTP/1.1`,
    'host: gateway.test',
    `x-trial: ${trial}`,
    ...(token === undefined ? [] : [`authorization: Bearer ${token}`]),
    ...(body === undefined ? [] : ['content-type: application/json']),
    ...(method === 'GET' ? [] : [`content-length: ${Buffer.byteLength(text)}`]),
  ]
  return `${fields.join('\r\n')}\r\n\r\n${text}`
}
