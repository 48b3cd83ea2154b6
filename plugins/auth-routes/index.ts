// The plugin `auth-routes`: the HTTP contract of signing in, refreshing, signing out, changing one's password, and seeing and
// ending one's sessions. It only registers; each route is a file beside this one.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { login } from './login.ts'
import { logout } from './logout.ts'
import { password } from './password.ts'
import { sessions } from './sessions.ts'
import { token } from './token.ts'

export interface AuthRoutesOptions {
  /** What stands before each path; `/auth` when absent. */
  prefix?: string
  /** Most bytes of a body; 4096 when absent. */
  bodyLimitBytes?: number
  /** ms; this node's clock when absent. */
  clock?: () => number
}

const defaults = { prefix: '/auth', bodyLimitBytes: 4096, clock: Date.now }

async function authRoutes(app: FastifyInstance, given: AuthRoutesOptions): Promise<void> {
  const options = { ...defaults, ...given }
  await app.register(login, options)
  await app.register(token, options)
  await app.register(logout, options)
  await app.register(password, options)
  await app.register(sessions, { prefix: options.prefix })
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
    'events',
    'login-limit',
    'session-store',
    'usage',
  ],
  decorators: {
    fastify: ['accessTokens', 'credentials', 'events', 'loginLimit', 'sessions', 'audit'],
  },
})
