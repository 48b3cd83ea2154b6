// What lets pages of other origins read responses (Fetch section 3.2): header fields for an exact list of origins, never reflected.
// An origin that is not on the list gets none, so its pages read nothing. It is set before anything can refuse a request, so that
// a page can read the refusal, too.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** Absent where this plugin is not registered. */
    crossOrigin?: CrossOrigin
  }
}

export interface CrossOriginOptions {
  /** Origins whose pages may read responses, exactly as browsers write them. */
  origins: readonly string[]
}

/** What scripts may read beside the fields that they always may. */
export const exposedFields = [
  'Retry-After',
  'RateLimit',
  'RateLimit-Policy',
  'WWW-Authenticate',
  'X-Request-Id',
  'Location',
  'ETag',
].join(', ')

/** The rule of one app. */
export class CrossOrigin {
  readonly #origins: ReadonlySet<string>

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins)
  }

  /** Whether no origin is listed. */
  get isEmpty(): boolean {
    return this.#origins.size === 0
  }

  /**
   * The fields of a response to a request from an origin.
   * @param origin its Origin field
   */
  fieldsFor(origin: string | undefined): Record<string, string> {
    if (this.isEmpty) return {}
    // A cache must not hand the response to one origin to another one, or to none.
    if (origin === undefined || !this.#origins.has(origin)) return { vary: 'Origin' }
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': exposedFields,
    }
  }
}

async function crossOrigin(app: FastifyInstance, { origins }: CrossOriginOptions): Promise<void> {
  const rule = new CrossOrigin(origins)
  app.decorate('crossOrigin', rule)
  if (rule.isEmpty) return
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(rule.fieldsFor(request.headers.origin))
    done()
  })
}

/** Fastify plugin: the header fields, and `app.crossOrigin` for what is refused outside of hooks. Registered before the request guard. */
export default fp(crossOrigin, { name: 'cross-origin', fastify: '5.x' })
