// The OpenAPI 3.1 document of every route that has a schema, and Swagger UI on top of it. Registered before the routes, so
// that it sees them; it holds no route's text itself.
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

export interface SwaggerOptions {
  /** Whether Swagger UI and the document are served, at `/docs` and `/docs/json`. */
  enabled: boolean
  /** Name of the refresh cookie, for the document's cookie scheme. */
  refreshCookieName: string
  version: string
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
  if (!options.enabled) return
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.1',
      info: {
        title: 'Cardea',
        description: 'Sign-in, refresh, sessions and administration of the gateway, and the services behind it.',
        version: options.version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      // Relative: the page and the routes share an origin, whichever name it was reached by.
      servers: [{ url: '/' }],
      tags: [
        { name: 'auth', description: 'Signing in, refreshing, signing out' },
        { name: 'sessions', description: 'The caller’s own sessions' },
        { name: 'admin', description: 'Users, sessions, keys and usage; needs the role admin' },
        { name: 'metadata', description: 'What other parties read about this gateway' },
        { name: 'health', description: 'For the machines that run it' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'at+jwt', description: 'An access token.' },
          refreshCookie: { type: 'apiKey', in: 'cookie', name: options.refreshCookieName },
        },
      },
    },
  })
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: { layout: 'BaseLayout', displayRequestDuration: true, tryItOutEnabled: true },
    theme: { title: 'Cardea' },
    staticCSP: contentSecurityPolicy,
  })
}

/** Fastify plugin: serves the OpenAPI document and Swagger UI. */
export default fp(swagger, { name: 'swagger', fastify: '5.x' })
