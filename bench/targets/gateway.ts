// Gateways as processes of their own, with the settings of every bench.
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { devNull } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../test/support/processes/free-port.ts'
import { measuredCore, type Running, startListening } from './processes.ts'

const password = 'a password for the bench'
const secret = randomBytes(48).toString('base64url')

export interface BenchGatewayOptions {
  /** For its data. */
  folder: string
  /** What is started; the gateway itself when absent. */
  file?: string | undefined
  env?: NodeJS.ProcessEnv | undefined
  core?: string
}

/** Starts a gateway and waits until it is ready. */
export async function startGateway({ folder, file, env, core }: BenchGatewayOptions): Promise<Running> {
  const port = await freePort()
  const pid = await startListening(file ?? 'src/server.ts', core ?? measuredCore, {
    PORT: String(port),
    CARDEA_CONFIG: devNull,
    CARDEA_DATA_DIR: join(folder, String(port)),
    CARDEA_SECRET: secret,
    CARDEA_ADMIN_PASSWORD: password,
    CARDEA_LOGIN_LIMIT: '10000/1m',
    CARDEA_REFRESH_LIMIT: 'off',
    CARDEA_ACCESS_TTL: '1h',
    CARDEA_LOG_LEVEL: 'error',
    ...env,
  })
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/readyz`).catch(() => undefined))?.ok) await delay(20)
  return { url, pid }
}

/**
 * Writes a config with everything on for one service: token, policy, audience, limit, identity fields.
 * @returns the file
 */
export async function writeConfig(folder: string, service: string): Promise<string> {
  const file = join(folder, 'cardea.config.yaml')
  const route = ['prefix: /svc', `upstream: ${service}`, 'policy: { roles: [admin] }']
  const limit = 'rateLimit: 999999999/1m'
  await writeFile(file, `routes:\n  - ${[...route, limit].join('\n    ')}\n`)
  return file
}

/** Signs the first admin in. */
export async function signIn(url: string, resource?: string): Promise<{ access_token: string; refresh_token: string }> {
  const response = await fetch(`${url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password, delivery: 'body', resource }),
  })
  if (!response.ok) throw new Error(`login answered ${response.status}: ${await response.text()}`)
  // The shape of a token response.
  return (await response.json()) as { access_token: string; refresh_token: string }
}
