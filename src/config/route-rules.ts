// The rules for the routes of a config beyond their schema, said with the places of the file. The room `forward` checks
// routes by themselves; here they meet the rest of the config.
import { resolve } from 'node:path'
import { adminAudience } from '../../plugins/access-tokens/index.ts'
import { isDocumentUrl } from '../../plugins/forward/openapi/index.ts'
import { type RouteConfig, routeViolations } from '../../plugins/forward/route/compile.ts'
import type { Draft } from './draft.ts'
import type { Path } from './file.ts'

/**
 * Checks the routes.
 * @param draft routes that fit their schema, and where they are written
 * @returns one sentence for each mistake
 */
export function findRouteViolations({ routes, values, placeInRoutes }: Draft): string[] {
  const violations = routeViolations(routes).map(({ path, message }) => `${placeInRoutes(pathOf(path))}: ${message}`)
  routes.forEach((route, at) => {
    if (route.forwardAuthorization === true && route.audience === undefined) {
      violations.push(
        `${placeInRoutes([at, 'forwardAuthorization'])}: the service would get a token that is good for other services too; name the audience of this one beside it`,
      )
    }
    if (route.audience === adminAudience) {
      violations.push(`${placeInRoutes([at, 'audience'])} is the gateway's own; name the service's`)
    }
    if (route.assertion !== undefined && values.signingAlg === 'HS256') {
      violations.push(`${placeInRoutes([at, 'assertion'])}: services cannot verify HS256; choose another signing.alg`)
    }
    const loop = [route.upstream].flat().find((upstream) => isOurselves(upstream, values))
    if (loop === undefined) return
    violations.push(
      `${placeInRoutes([at, 'upstream'])} is ${JSON.stringify(loop)}: this is the gateway itself; name the service behind it`,
    )
  })
  return violations
}

function pathOf(pointer: string): Path {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step))
}

// A request that comes back to where it was sent from never ends.
function isOurselves(upstream: string, { host, port }: Draft['values']): boolean {
  if (!URL.canParse(upstream)) return false
  const url = new URL(upstream)
  const upstreamPort = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  return upstreamPort === port && [host, '127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)
}

/**
 * Audiences that routes ask for and the config does not list: a route that names one declares it.
 * @param routes routes without mistakes
 * @param listed audiences that are known
 */
export function audiencesOfRoutes(routes: readonly RouteConfig[], listed: readonly string[]): string[] {
  const asked = routes.flatMap(({ audience }) => audience ?? [])
  return [...new Set(asked)].filter((audience) => !listed.includes(audience))
}

/**
 * A route whose files are named by absolute paths: its authority and, unless that is a URL, its document.
 * @param folder that the paths in the file are relative to
 */
export function withFilesFrom(folder: string, route: RouteConfig): RouteConfig {
  const located = (path: string) => (isDocumentUrl(path) ? path : resolve(folder, path))
  const { openapi, tls } = route
  return {
    ...route,
    ...(tls && { tls: withPathsFrom(folder, tls) }),
    ...(typeof openapi === 'string' && { openapi: located(openapi) }),
    ...(typeof openapi === 'object' && { openapi: { ...openapi, document: located(openapi.document) } }),
  }
}

function withPathsFrom(folder: string, tls: NonNullable<RouteConfig['tls']>): NonNullable<RouteConfig['tls']> {
  const located = { ...tls }
  for (const member of ['caFile', 'certFile', 'keyFile'] as const) {
    const path = tls[member]
    if (path !== undefined) located[member] = resolve(folder, path)
  }
  return located
}
