// haproxy on one core and one thread, verifying the token of each request with jwt_verify. From PATH.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/processes/free-port.ts'
import { type Running, startProgram } from '../targets/processes.ts'
import type { BenchCredentials } from './credentials.ts'

/**
 * Starts haproxy.
 * @param folder for its files
 * @throws Error when it is not on PATH
 */
export async function startHaproxy(folder: string, service: string, credentials: BenchCredentials): Promise<Running> {
  const port = await freePort()
  const file = join(folder, `haproxy-${port}.cfg`)
  await writeFile(file, settings(port, service, await verifyingKey(folder, credentials), credentials.alg))
  return startProgram('haproxy', ['-db', '-f', file], port)
}

async function verifyingKey(folder: string, { alg, key }: BenchCredentials): Promise<string> {
  if (alg === 'HS256') return key
  const file = join(folder, 'haproxy-key.pem')
  await writeFile(file, key)
  return file
}

function settings(port: number, service: string, key: string, alg: string): string {
  return `
global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend clients
  bind 127.0.0.1:${port}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.alg) -m str ${alg} }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"${key}") 1 }
  default_backend services
backend services
  server one ${new URL(service).host}
`
}
