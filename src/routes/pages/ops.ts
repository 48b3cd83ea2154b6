// GET /ops: the operators' page, as files: its modules as they stand in src/ops, the three libraries they import, from
// node_modules, and what the page needs of the table of reasons, as a module. Nothing is built. The files are public; what the page shows comes from /admin, for operators only.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { reasons, reasonTable } from '../../../plugins/audit/reasons/index.ts'
import type { ReasonRow } from '../../../plugins/audit/reasons/row.ts'
import { fileAt, filesOf, KeptFile } from '../../../plugins/files/kept-files.ts'

export interface OpsOptions {
  /** Whether the page is served. */
  enabled: boolean
}

const pageFolder = fileURLToPath(new URL('../../ops/', import.meta.url))
const served = /\.(html|js|css|svg)$/

/** What the page imports, by the name under /ops/modules/. */
const modules: Record<string, string> = {
  'preact.js': 'preact/dist/preact.mjs',
  'hooks.js': 'preact/hooks/dist/hooks.mjs',
  'htm.js': 'htm/dist/htm.module.js',
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
}

/**
 * Declares one route a file: what is not in the list does not exist, whatever the path says. Encapsulated, so that its
 * headers are these files' only.
 */
export default async function ops(app: FastifyInstance, { enabled }: OpsOptions): Promise<void> {
  if (!enabled) return
  const policy = contentSecurityPolicy(readFileSync(join(pageFolder, 'index.html'), 'utf8'))
  app.addHook('onRequest', (request, reply, done) => describe(policy, request, reply, done))
  for (const [path, file] of filesOf(pageFolder, (name) => served.test(name))) {
    serve(app, path === 'index.html' ? '' : path, file)
  }
  const packages = packageFolder()
  for (const [name, path] of Object.entries(modules)) serve(app, `modules/${name}`, fileAt(join(packages, path)))
  serve(app, 'modules/reasons.js', new KeptFile('reasons.js', async () => Buffer.from(reasonModule())))
  // The page's own paths are relative to /ops/. A relative target: a proxy may have taken a prefix off.
  app.get('/ops', { schema: { hide: true } }, (_request, reply) => reply.redirect('ops/', 308))
}

function serve(app: FastifyInstance, path: string, file: KeptFile): void {
  app.get(`/ops/${path}`, { schema: { hide: true } }, (request, reply) => file.send(request, reply))
}

// What `#reasons` is in a browser: the columns of the table that the page shows. In Node, package.json names the table itself.
function reasonModule(): string {
  const shown = reasons.map((reason) => {
    const { title, tone, refresh }: ReasonRow = reasonTable[reason]
    return [reason, { title, tone, refresh }]
  })
  return `export const reasonTable = ${JSON.stringify(Object.fromEntries(shown))}\n`
}

// Packages may stand in a folder further up; where the page's first one is, the others are.
function packageFolder(): string {
  return fileURLToPath(new URL('../', import.meta.resolve('preact/package.json')))
}

/**
 * This origin's own files, and no way for text to become script: the one inline element, the import map, is allowed by its
 * hash, and Trusted Types without a single policy refuse every `innerHTML`.
 * @param page index.html
 */
function contentSecurityPolicy(page: string): string {
  const [, importMap = ''] = /<script type="importmap">(.*?)<\/script>/s.exec(page) ?? []
  const hash = createHash('sha256').update(importMap).digest('base64')
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
}

function describe(policy: string, _request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
  reply.header('content-security-policy', policy)
  // A page of a service that opened this one gets no hold of its window, though it is of the same origin.
  reply.header('cross-origin-opener-policy', 'noopener-allow-popups')
  // Kept, and asked about each time: a page never runs with the modules of another version.
  reply.header('cache-control', 'no-cache')
  done()
}
