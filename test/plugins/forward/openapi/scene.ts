// A gateway whose one route has an OpenAPI document, in front of a service that records what reaches it. Any request with
// `alice` is authenticated.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { RouteConfig } from '../../../../plugins/forward/index.ts'
import { compileRoutes } from '../../../../plugins/forward/index.ts'
import { type CompiledDocument, describeRoute, readDocument } from '../../../../plugins/forward/openapi/index.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import type { FakeUpstream } from '../../../support/upstream.ts'
import { type ForwardGateway, gatewayFor, upstreamFor } from '../gateway.ts'

export const alice = { authorization: 'Bearer alice' }

export interface DocumentScene extends ForwardGateway {
  upstream: FakeUpstream
  document: CompiledDocument
  /** Asks as alice. @returns the status, and of a refusal its places */
  ask(method: string, path: string, init?: RequestInit): Promise<{ status: number; places: string[] }>
}

/** What stands around the paths of a document. */
export function documentOf(paths: object, more: object = {}): object {
  return { openapi: '3.1.0', info: { title: 'Orders', version: '1' }, paths, ...more }
}

/**
 * Starts a gateway for a document.
 * @param document what it holds, or where it lies
 * @param route beside prefix, upstream and document; the prefix is /api, cut off
 */
export async function documentedGateway(
  t: Test,
  document: object | string,
  route: Partial<RouteConfig> = {},
  others: readonly RouteConfig[] = [],
): Promise<DocumentScene> {
  const upstream = await upstreamFor(t)
  const file = typeof document === 'string' ? document : writeDocument(t, document)
  const config: RouteConfig = { prefix: '/api', upstream: upstream.url, rewrite: '/', openapi: file, ...route }
  const { documented, documents } = await describe(config, file)
  const gateway = await gatewayFor(t, [config, ...others], { documents })
  const ask: DocumentScene['ask'] = async (method, path, init = {}) => {
    const response = await fetch(gateway.url + path, { method, ...init, headers: { ...alice, ...init.headers } })
    const text = await response.text()
    const { errors = [] }: { errors?: { in: string; path: string }[] } = text.startsWith('{"type"')
      ? JSON.parse(text)
      : {}
    return { status: response.status, places: errors.map((one) => `${one.in} ${one.path}`) }
  }
  return { ...gateway, upstream, document: documented, ask }
}

/** A route with a document, for a gateway that a test makes itself. */
export async function describeRouteOf(t: Test, document: object, route: RouteConfig) {
  const file = writeDocument(t, document)
  const documented: RouteConfig = { ...route, openapi: file }
  const { documents } = await describe(documented, file)
  return { route: documented, documents }
}

async function describe(config: RouteConfig, file: string) {
  const [compiled] = compileRoutes([config])
  if (compiled === undefined) throw new Error('no route')
  const documented = await describeRoute(compiled, await readDocument(file))
  return { documented, documents: new Map([[config.prefix, documented]]) }
}

/** Writes a document into a folder of its own. */
export function writeDocument(t: Test, document: object): string {
  const file = join(temporaryFolder(t), 'document.json')
  writeFileSync(file, JSON.stringify(document))
  return file
}

/** A request with a JSON body. */
export function json(body: string | object, contentType = 'application/json'): RequestInit {
  return { body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'content-type': contentType } }
}
