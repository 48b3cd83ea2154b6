// Fetches one file of an OpenAPI document. Certificates are verified whatever the environment says
// (NODE_TLS_REJECT_UNAUTHORIZED), and no redirect is followed.
import { once } from 'node:events'
import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getEncrypted } from 'node:https'
import type { CompiledRoute, TlsConfig } from '../../route/compile.ts'

export interface DownloadOptions {
  maxBytes: number
  /** Ends it. */
  signal: AbortSignal
  /** Of the service; undefined where the public authorities check. */
  tls: TlsConfig | undefined
}

/**
 * How the certificate of a document's origin is verified: as the route's own where one of its instances is there. Elsewhere a
 * private authority has nothing to say, so the public ones check.
 * @param location http(s) URL of the document
 */
export function trustAt({ instances, tls }: CompiledRoute, location: string): TlsConfig | undefined {
  const { origin } = new URL(location)
  return instances.some((instance) => new URL(instance.origin).origin === origin) ? tls : undefined
}

/**
 * Fetches a file.
 * @param url http(s)
 * @throws Error that says why there is none: refused, too large, too late, not verified
 */
export async function download(url: string, { maxBytes, signal, tls }: DownloadOptions): Promise<Buffer> {
  const { username, password } = new URL(url)
  if (username !== '' || password !== '') throw new Error('it holds a password')
  const response = await ask(url, signal, tls)
  const { statusCode = 0 } = response
  if (statusCode < 200 || statusCode > 299) {
    response.destroy()
    throw new Error(`it answered ${statusCode}`)
  }
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response) {
    bytes += part.length
    if (bytes > maxBytes) throw new Error('it is too large')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

const headers = { accept: 'application/json, application/yaml;q=0.9, */*;q=0.5', 'accept-encoding': 'identity' }

async function ask(url: string, signal: AbortSignal, tls: TlsConfig | undefined): Promise<IncomingMessage> {
  const servername = tls?.serverName === undefined ? {} : { servername: tls.serverName }
  const trust = tls === undefined ? {} : { ca: tls.ca, cert: tls.cert, key: tls.key, ...servername }
  const request = url.startsWith('https:')
    ? getEncrypted(url, { headers, signal, rejectUnauthorized: true, ...trust })
    : getPlain(url, { headers, signal })
  const [response] = await once(request, 'response')
  return response
}
