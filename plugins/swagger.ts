// The OpenAPI 3.1 document of every route that has a schema, and Swagger UI on top of it. Registered before the routes, so
// that it sees them. What the document says of the app itself, the app gives; it holds no text of its own.
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

export interface SwaggerOptions {
  /** Whether Swagger UI and the document are served, at `/docs` and `/docs/json`. */
  enabled: boolean
  info: ApiInfo
  /** The groups that routes name in their schemas, in the order in which they are shown. */
  tags: { name: string; description: string }[]
  /** Name of the refresh cookie, for the document's cookie scheme. */
  refreshCookieName: string
}

/** What the document says of the app (OpenAPI 3.1 section 4.8.2). */
export interface ApiInfo {
  title: string
  description: string
  version: string
  license: { name: string; identifier: string }
}

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
  const { enabled, info, tags, refreshCookieName } = options
  if (!enabled) return
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.1',
      info,
      // Relative: the page and the routes share an origin, whichever name it was reached by.
      servers: [{ url: '/' }],
      tags,
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'at+jwt', description: 'An access token.' },
          refreshCookie: { type: 'apiKey', in: 'cookie', name: refreshCookieName },
        },
      },
    },
  })
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: { layout: 'BaseLayout', displayRequestDuration: true, tryItOutEnabled: true },
    theme: { title: info.title },
    staticCSP: contentSecurityPolicy,
  })
}

/** Fastify plugin: serves the OpenAPI document and Swagger UI. */
export default fp(swagger, { name: 'swagger', fastify: '5.x' })
