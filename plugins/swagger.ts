// The OpenAPI 3.1 document of every route that has a schema, and Swagger UI on top of it. What the document says of the app
// itself, the app gives; it holds no text of its own.
import { fileURLToPath } from 'node:url'
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { CookiePlace } from './browser/cookies.ts'
import { filesOf, KeptFile } from './files/kept-files.ts'
import type { PublishedPart } from './forward/openapi/index.ts'

export interface SwaggerOptions {
  /** Whether Swagger UI and the document are served, at `/docs` and `/docs/json`. */
  enabled: boolean
  /** Title, description, version and license of the API. */
  info: ApiInfo
  /** Where the routes begin, as clients see it: a path that a proxy takes off; `/` when absent. */
  basePath?: string
  /** The groups that routes name in their schemas, in the order in which they are shown. */
  tags: { name: string; description: string }[]
  /** Names of the cookies, for the document's cookie schemes: the usual ones first. */
  cookiePlaces: readonly [CookiePlace, CookiePlace]
  /** Whether some route takes the access token from its cookie. */
  usesAccessCookie: boolean
  /** What services behind the gateway describe themselves; filled until the app is ready; nothing when absent. */
  parts?: readonly PublishedPart[]
}

/** What the document says of the app (OpenAPI 3.1 section 4.8.2). */
export interface ApiInfo {
  title: string
  description: string
  version: string
  license: { name: string; identifier: string }
}

const prefix = '/docs'

// Swagger UI's own files and calls to this origin, nothing else. No `upgrade-insecure-requests`: development is plain http.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

async function swagger(app: FastifyInstance, options: SwaggerOptions): Promise<void> {
  const { enabled, info, basePath = '/', tags, cookiePlaces, usesAccessCookie, parts = [] } = options
  if (!enabled) return
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.1',
      info,
      // Without an origin: the page and the routes share one, whichever name it was reached by.
      servers: [{ url: basePath }],
      tags,
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'at+jwt',
            description: 'An access token; for `/admin` one of the resource `urn:cardea:admin`.',
          },
          refreshCookie: cookieScheme('The refresh token in a cookie.', cookiePlaces, 'refresh'),
          ...(usesAccessCookie && {
            accessCookie: cookieScheme('The access token in a cookie.', cookiePlaces, 'access'),
          }),
        },
      },
    },
    transformObject: (written) =>
      'openapiObject' in written ? merge(written.openapiObject, parts) : written.swaggerObject,
  })
  await app.register(async (pages) => {
    const kept = keptPages(app)
    pages.addHook('onRequest', async (request, reply) => {
      const path = request.url.split('?', 1)[0] ?? ''
      const place = placeOfPage(request.url, path)
      if (place !== undefined) return reply.redirect(place, 308)
      const page = kept.get(path)
      return page === undefined ? undefined : page.send(request, reply)
    })
    await pages.register(fastifySwaggerUi, {
      routePrefix: prefix,
      uiConfig: { layout: 'BaseLayout', displayRequestDuration: true, tryItOutEnabled: true },
      theme: { title: info.title },
      staticCSP: contentSecurityPolicy,
    })
  })
}

// Where the page stands alone its own paths are relative, and lead right whatever prefix a proxy has taken off: at /docs/. So
// does a relative target.
function placeOfPage(url: string, path: string): string | undefined {
  if (path === prefix) return 'docs/'
  if (path === `${prefix}/static/index.html`) return '../'
  return path === `${prefix}/` && url !== path ? './' : undefined
}

// What is large: shared by all who read it. Without this each request has a descriptor or a document of its own.
function keptPages(app: FastifyInstance): Map<string, KeptFile> {
  const text = (name: string, write: () => string) => new KeptFile(name, async () => Buffer.from(write()))
  const folder = fileURLToPath(new URL('static/', import.meta.resolve('@fastify/swagger-ui/package.json')))
  const files = [...filesOf(folder, (name) => name !== 'index.html')].map(([path, file]): [string, KeptFile] => [
    `${prefix}/static/${path}`,
    file,
  ])
  return new Map([
    ...files,
    [`${prefix}/json`, text('openapi.json', () => JSON.stringify(app.swagger()))],
    [`${prefix}/yaml`, text('openapi.yaml', () => app.swagger({ yaml: true }))],
  ])
}

function cookieScheme(what: string, [usual, spare]: readonly [CookiePlace, CookiePlace], kind: keyof CookiePlace) {
  const description =
    `${what} Signing in sets it, so that a browser has nothing to fill in. A sign-in that comes with the cookies of another ` +
    `session sets \`${spare[kind]}\` in its place.`
  return { type: 'apiKey', in: 'cookie', name: usual[kind], description } as const
}

// The gateway's own routes first; names of parts are told apart by whoever wrote them.
function merge<T extends { tags?: object[]; paths?: object; components?: object }>(
  own: T,
  parts: readonly PublishedPart[],
): T {
  const components: Record<string, object> = { ...own.components }
  for (const part of parts) {
    for (const [section, named] of Object.entries(part.components)) {
      components[section] = { ...components[section], ...named }
    }
  }
  const tags = [...(own.tags ?? []), ...parts.flatMap((part) => part.tags)]
  return { ...own, tags, paths: Object.assign({}, own.paths, ...parts.map(({ paths }) => paths)), components }
}

/** Fastify plugin: serves the OpenAPI document and Swagger UI. */
export default fp(swagger, { name: 'swagger', fastify: '5.x' })
