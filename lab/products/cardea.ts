// Cardea of this repository as a process, on the embedded store, at its defaults but for the length of the grace.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { devNull, tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatewayProcess } from '../../test/support/processes/gateway-process.ts'
import type { Product, TokenPair } from '../product.ts'

/**
 * Starts it in a folder of its own, which goes with it.
 * @param windowMs its grace
 */
export async function start(windowMs = 2000): Promise<Product> {
  const folder = mkdtempSync(join(tmpdir(), 'cardea-lab-'))
  const gateway = await GatewayProcess.start({
    CARDEA_CONFIG: devNull,
    CARDEA_DATA_DIR: folder,
    CARDEA_GRACE: `${windowMs}ms`,
    CARDEA_LOGIN_LIMIT: '1000/1m',
  })
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  const { url, adminPassword: password } = gateway
  return {
    name: `Cardea ${version}`,
    windowMs,
    signIn: async () => {
      const pair = await post(`${url}/auth/login`, { username: 'admin', password, delivery: 'body' })
      if (!pair) throw new Error('Cardea refused to sign its administrator in')
      return pair
    },
    refresh: (refreshToken) => post(`${url}/auth/token`, { grant_type: 'refresh_token', refresh_token: refreshToken }),
    use: async (accessToken) =>
      (await fetch(`${url}/demo/hello`, { headers: { authorization: `Bearer ${accessToken}` } })).ok,
    close: async () => {
      await gateway.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

async function post(url: string, body: object): Promise<TokenPair | undefined> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  if (response.status >= 429) throw new Error(`Cardea: ${response.status} ${text}`)
  if (!response.ok) return undefined
  // The shape of a token response.
  const { access_token, refresh_token } = JSON.parse(text) as { access_token: string; refresh_token: string }
  return { accessToken: access_token, refreshToken: refresh_token }
}
