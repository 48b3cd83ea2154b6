// A gateway whose one route has an OpenAPI document, in front of a service that records what reaches it. Used by the tests of
// documents; any request with `alice` is authenticated.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { compileRoutes } from '../../../plugins/forward/index.ts'
import { type CompiledDocument, describeRoute, readDocument } from '../../../plugins/forward/openapi/index.ts'
import { temporaryFolder } from '../../temporary-folder.ts'
import type { FakeUpstream } from '../../upstream.ts'
import { type Gateway, gatewayFor, upstreamFor } from '../gateway.ts'

export const alice = { authorization: 'Bearer alice' }

export interface Scene extends Gateway {
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
export async function describedGateway(
  t: Test,
  document: object | string,
  route: Partial<RouteConfig> = {},
  others: readonly RouteConfig[] = [],
): Promise<Scene> {
  const upstream = await upstreamFor(t)
  const file = typeof document === 'string' ? document : writeDocument(t, document)
  const config: RouteConfig = { prefix: '/api', upstream: upstream.url, rewrite: '/', openapi: file, ...route }
  const { described, documents } = await describe(config, file)
  const gateway = await gatewayFor(t, [config, ...others], { documents })
  const ask: Scene['ask'] = async (method, path, init = {}) => {
    const answer = await fetch(gateway.url + path, { method, ...init, headers: { ...alice, ...init.headers } })
    const text = await answer.text()
    const { errors = [] }: { errors?: { in: string; path: string }[] } = text.startsWith('{"type"')
      ? JSON.parse(text)
      : {}
    return { status: answer.status, places: errors.map((one) => `${one.in} ${one.path}`) }
  }
  return { ...gateway, upstream, document: described, ask }
}

/** A route with a document, for a gateway that a test makes itself. */
export async function describeRouteOf(t: Test, document: object, route: RouteConfig) {
  const file = writeDocument(t, document)
  const described: RouteConfig = { ...route, openapi: file }
  const { documents } = await describe(described, file)
  return { route: described, documents }
}

async function describe(config: RouteConfig, file: string) {
  const [compiled] = compileRoutes([config])
  if (compiled === undefined) throw new Error('no route')
  const described = await describeRoute(compiled, await readDocument(file))
  return { described, documents: new Map([[config.prefix, described]]) }
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
