// The plugin `auth-routes`: the HTTP contract of signing in, refreshing, signing out, changing one's password, and seeing and
// ending one's sessions. It only registers; each route is a file beside this one.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import jsonBody from '../body-parsers/json.ts'
import { login } from './login.ts'
import { logout } from './logout.ts'
import { password } from './password.ts'
import { sessions } from './sessions.ts'
import { compileStrictly } from './strict-schema.ts'
import { token } from './token.ts'
import type { TokenRouteOptions } from './token-response.ts'

export interface AuthRoutesOptions {
  /** What stands before each path; `/auth` when absent. */
  prefix?: string
  /** Most bytes of a body; 4096 when absent. */
  bodyLimitBytes?: number
  /** A clock, ms; this node's when absent. */
  clock?: () => number
}

const defaults = { prefix: '/auth', bodyLimitBytes: 4096, clock: Date.now }

async function authRoutes(app: FastifyInstance, given: AuthRoutesOptions): Promise<void> {
  await app.register(routes, { ...defaults, ...given })
}

// On a scope of its own: what an app does with the bodies of its other routes is not changed.
async function routes(scope: FastifyInstance, { bodyLimitBytes, clock }: TokenRouteOptions): Promise<void> {
  const options = { bodyLimitBytes, clock }
  if (!scope.hasPlugin('json-body')) await scope.register(jsonBody)
  scope.setValidatorCompiler(({ schema }) => compileStrictly(schema))
  await scope.register(login, options)
  await scope.register(token, options)
  await scope.register(logout, options)
  await scope.register(password, options)
  await scope.register(sessions)
}

/** Fastify plugin: `POST login`, `token`, `logout` and `password`, and `sessions`, below its prefix. */
export default fp(authRoutes, {
  name: 'auth-routes',
  fastify: '5.x',
  dependencies: [
    'access-tokens',
    'authenticate',
    'body-memory',
    'browser-origin',
    'cookies',
    'credentials',
    'audit-trail',
    'login-limit',
    'session-store',
    'audit',
  ],
  decorators: {
    fastify: ['accessTokens', 'credentials', 'auditTrail', 'loginLimit', 'sessions', 'audit'],
  },
})
