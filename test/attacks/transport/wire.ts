// The scene of the attacks on the wire: a gateway, a service that records what reached it, and a client that sends bytes.
import type { Test } from 'tap'
import { asAlice, type ForwardGateway, startGateway } from '../../plugins/forward/gateway.ts'
import { type RawResponse, sendRaw, statusesIn } from '../../support/raw-client.ts'
import { type FakeUpstream, startFakeUpstream } from '../../support/upstream.ts'

/** Host and identity of an honest client. */
export const fields = `Host: gateway\r\n${asAlice}\r\n`

/** What an attacker would have the service take for a request of its own. */
export const smuggled = 'GET /open/smuggled HTTP/1.1\r\nHost: gateway\r\n\r\n'

export interface Outcome extends RawResponse {
  statuses: number[]
  /** Targets that reached the service. */
  reached: string[]
}

export interface Wire {
  gateway: ForwardGateway
  upstream: FakeUpstream
  /** Sends bytes on a connection of their own; what reached the service before is forgotten. */
  attack(bytes: string | string[], deadlineMs?: number): Promise<Outcome>
}

/** Opens the scene for a whole file: `/orders` needs an identity, `/open` does not. */
export async function openWire(t: Pick<Test, 'teardown'>): Promise<Wire> {
  const upstream = await startFakeUpstream()
  const gateway = await startGateway([
    { prefix: '/orders', upstream: upstream.url },
    { prefix: '/open', upstream: upstream.url, policy: 'public' },
  ])
  t.teardown(async () => {
    await gateway.app.close()
    await upstream.close()
  })
  const attack = async (bytes: string | string[], deadlineMs = 5000) => {
    // A connection to the service is idle: what is let through arrives at once, whatever becomes of its client.
    await (await fetch(`${gateway.url}/open/warm`)).text()
    upstream.received.length = 0
    const response = await sendRaw(gateway.port, bytes, { deadlineMs })
    return { ...response, statuses: statusesIn(response.text), reached: upstream.received.map(({ url }) => url) }
  }
  return { gateway, upstream, attack }
}
