// The security header fields of the gateway's own responses (OWASP Secure Headers). They depend on no request, so they are a
// list made once. A response of a service does not pass here: it keeps its own fields.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

export interface SecurityFieldsOptions {
  /** Whether browsers shall only ever come by https. */
  hsts: boolean
}

const fields: readonly (readonly [string, string])[] = [
  // Answers for programs: nothing in them is to be run, framed or read by other sites. Pages bring a policy of their own.
  ['content-security-policy', "default-src 'none';frame-ancestors 'none'"],
  ['cross-origin-opener-policy', 'same-origin'],
  ['cross-origin-resource-policy', 'same-origin'],
  ['origin-agent-cluster', '?1'],
  ['referrer-policy', 'no-referrer'],
  ['x-content-type-options', 'nosniff'],
  ['x-dns-prefetch-control', 'off'],
  ['x-download-options', 'noopen'],
  ['x-frame-options', 'SAMEORIGIN'],
  ['x-permitted-cross-domain-policies', 'none'],
  ['x-xss-protection', '0'],
]

const strictTransport = ['strict-transport-security', 'max-age=31536000; includeSubDomains'] as const

async function securityFields(app: FastifyInstance, { hsts }: SecurityFieldsOptions): Promise<void> {
  const own = hsts ? [...fields, strictTransport] : fields
  app.addHook('onSend', (_request, reply, payload, done) => {
    for (const [name, value] of own) if (!reply.hasHeader(name)) reply.header(name, value)
    done(null, payload)
  })
}

/** Fastify plugin: adds security header fields where a route has not set them itself. */
export default fp(securityFields, { name: 'security-fields', fastify: '5.x' })
