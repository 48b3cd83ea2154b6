// A gateway for clients that others wrote: it listens, over plain http, at the address that its issuer names.
import type { Test } from 'tap'
import { type GatewayOverrides, startGateway, type TestGateway } from '../support/gateway.ts'
import { freePort } from '../support/processes/free-port.ts'

export interface ListeningGateway extends TestGateway {
  /** Its issuer, which is also where it listens. */
  url: string
}

/**
 * Starts it; it ends with the test.
 * @param config beside the issuer
 */
export async function listeningGateway(t: Test, config: GatewayOverrides['config'] = {}): Promise<ListeningGateway> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const gateway = await startGateway(t, {
    config: { issuer: url, audiences: [url], hosts: { issuer: url, listed: [], loopback: true }, ...config },
  })
  await gateway.app.listen({ host: '127.0.0.1', port })
  return { ...gateway, url }
}
