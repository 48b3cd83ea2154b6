// GET /: a small page for people who open the address that the gateway prints. It says what this is and where the rest lies. A program
// that does not ask for HTML gets what any other unknown path gets.
import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

export interface HomeOptions {
  /** Whether Swagger UI is served. */
  docs: boolean
  /** Whether the operators' page is served. */
  ops: boolean
  /** Whether a route of the config has the prefix `/`: then the page is that service's. */
  isTaken: boolean
}

const style =
  ':root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:36rem;margin:12vh auto;padding:0 1rem}'

const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Declares the route, where no service has it. */
export default async function home(app: FastifyInstance, { isTaken, ...served }: HomeOptions): Promise<void> {
  if (isTaken) return
  const page = pageOf(served)
  app.get('/', { schema: { hide: true } }, (request, reply) => sendPage(page, request, reply))
}

function sendPage(page: string, request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
  reply.header('vary', 'accept')
  if (!asksForHtml(request.headers.accept)) {
    reply.callNotFound()
    return undefined
  }
  return reply.type('text/html; charset=utf-8').header('content-security-policy', contentSecurityPolicy).send(page)
}

// What browsers send for an address that somebody opens; `*/*` alone is a program.
function asksForHtml(accept = ''): boolean {
  return accept.split(',').some((range) => /^\s*text\/html\s*(;|$)/i.test(range))
}

// Relative links: a proxy may have put a prefix before them.
function pageOf({ docs, ops }: Omit<HomeOptions, 'isTaken'>): string {
  const links = [
    ...(docs ? ['<li><a href="docs">Try the API</a>: every route, in Swagger UI</li>'] : []),
    ...(ops ? ['<li><a href="ops/">Operators’ page</a>: what is happening, and why a session ended</li>'] : []),
    '<li><a href="readyz">Readiness</a>: whether this gateway can serve now</li>',
  ]
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Cardea</title>
<style>${style}</style>
<h1>Cardea</h1>
<p>This is an authentication gateway. It signs people in, checks every request, and forwards the good ones to the services behind it.</p>
<ul>
${links.join('\n')}
</ul>
</html>
`
}
