// The methods that can be forwarded: those that every route takes, and those that a route takes by naming them. What a route does
// not name it never forwards. Names are the registry's (RFC 9110 section 16.1.1), less what leads elsewhere than to a response:
// CONNECT asks for a tunnel, and TRACE would show the service's request, with all that the gateway adds, to a page.
import type { FastifyInstance } from 'fastify'

/** Methods that every route takes, under its policy. */
export const forwardedMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
export type ForwardedMethod = (typeof forwardedMethods)[number]

/** Methods that a route takes when `methods` names them: all others that Node's parser reads as HTTP. */
export const furtherMethods = [
  ...['ACL', 'BIND', 'CHECKOUT', 'COPY', 'LINK', 'LOCK', 'M-SEARCH', 'MERGE', 'MKACTIVITY', 'MKCALENDAR', 'MKCOL'],
  ...['MOVE', 'NOTIFY', 'PROPFIND', 'PROPPATCH', 'PURGE', 'QUERY', 'REBIND', 'REPORT', 'SEARCH', 'SOURCE'],
  ...['SUBSCRIBE', 'UNBIND', 'UNLINK', 'UNLOCK', 'UNSUBSCRIBE'],
] as const satisfies readonly string[]
export type FurtherMethod = (typeof furtherMethods)[number]

/** Methods that ask for no change (RFC 9110 section 9.2.1, and the registry). */
export const safeMethods: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'OPTIONS', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'],
])

/** Methods that have the same effect when they are sent twice (RFC 9110 section 9.2.2, and the registry). */
export const idempotentMethods: ReadonlySet<string> = new Set([
  ...safeMethods,
  ...['ACL', 'BIND', 'CHECKOUT', 'COPY', 'DELETE', 'LINK', 'MERGE', 'MKACTIVITY', 'MKCALENDAR', 'MKCOL', 'MOVE'],
  ...['PROPPATCH', 'PUT', 'REBIND', 'UNBIND', 'UNLINK', 'UNLOCK'],
])

/**
 * Has an app take methods that a route names. Their bodies are the handler's to read: Fastify would demand a Content-Type of QUERY,
 * which is between the client and the service.
 */
export function takeMethods(app: FastifyInstance, methods: readonly string[]): void {
  for (const method of furtherMethods) {
    if (methods.includes(method)) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  }
}
