// The one error table, the one class that is thrown for a refusal, and the plugin that writes both as problem+json.
// Everything refuses through `problem(code)`. The client hears `code` and the fixed sentence; `detail` and `cause` go to the log.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import Type, { type Static } from 'typebox'
import { foreign, isForeign } from '../http-edge/ended-connections.ts'
import { decorateOutages, isOutage, type ServicePlace } from './outages.ts'
import { decorateRefusals } from './refusals.ts'
import { type ErrorEntry, errorTable } from './table.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Error bodies of this route are those of RFC 6749 section 5.2: `application/json`, with `error` beside our members. */
    oauthErrors?: boolean
  }
}

export type ErrorCode = keyof typeof errorTable

/** The media type of a refusal (RFC 9457 section 3). */
const problemType = 'application/problem+json'

/** The same on OAuth's routes, whose clients take no other (RFC 6749 section 5.2). */
const oauthErrorType = 'application/json'

export interface ProblemOptions {
  /** Why, for the log and the event: one word or a short phrase. Never shown to the client. */
  detail?: string
  /** Header fields of the response (`WWW-Authenticate`, `Allow`, `Retry-After`, …). */
  headers?: Record<string, string>
  /** Places of the request that are wrong, for `invalid_request`. */
  errors?: ProblemPlace[]
  /** The route and the instance of a service that it is about, for the log. */
  at?: ServicePlace
  /** More members of the response (RFC 9457 section 3.2). */
  members?: Record<string, unknown>
  cause?: unknown
}

/** A place of the request and what is wrong with it. */
export interface ProblemPlace {
  in: string
  path: string
  message: string
}

/** A refusal that ends the request. Thrown, and written by the error handler below. */
export class Problem extends Error {
  readonly code: ErrorCode
  readonly statusCode: number
  readonly detail: string | undefined
  readonly headers: Record<string, string>
  readonly errors: ProblemPlace[] | undefined
  readonly at: ServicePlace | undefined
  readonly members: Record<string, unknown> | undefined

  constructor(code: ErrorCode, options: ProblemOptions = {}) {
    super(options.detail ?? code, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Problem'
    this.code = code
    this.statusCode = errorTable[code].status
    this.detail = options.detail
    this.headers = options.headers ?? {}
    this.errors = options.errors
    this.at = options.at
    this.members = options.members
  }
}

/**
 * Makes the refusal to throw.
 * @param code a row of the table
 * @param options detail for the log, header fields, places
 */
export function problem(code: ErrorCode, options?: ProblemOptions): Problem {
  return new Problem(code, options)
}

const problemMembers = {
  type: Type.String({ description: 'A URI that names the kind of problem.' }),
  title: Type.String({ description: 'One sentence, fixed for the code.' }),
  status: Type.Integer(),
  code: Type.String({ description: 'A row of the error table.' }),
  request_id: Type.String({ description: 'Under this id the gateway has logged why.' }),
  errors: Type.Optional(
    Type.Array(Type.Object({ in: Type.String(), path: Type.String(), message: Type.String() }), {
      description: 'The places of the request that are wrong.',
    }),
  ),
}

/** The body of a refusal (RFC 9457). */
const problemSchema = Type.Object(problemMembers, { description: 'Problem details (RFC 9457).' })

/** The body of a refusal where OAuth says what it is (RFC 6749 section 5.2). */
const oauthProblemSchema = Type.Object(
  {
    error: Type.String({ description: 'A code of RFC 6749 section 5.2 or of its extensions.' }),
    error_description: Type.String({ description: 'The sentence of `title`.' }),
    ...problemMembers,
  },
  { description: 'An error of OAuth, with the members of problem details (RFC 9457) beside its own.' },
)

export type ProblemBody = Static<typeof problemSchema> & Partial<Static<typeof oauthProblemSchema>>

/**
 * The response schemas of a route's refusals, by status.
 * @param codes every code the route can refuse with
 * @returns `{ '400': …, '401': … }`, to spread into `schema.response`
 */
export function errorResponses(...codes: ErrorCode[]) {
  return responsesByStatus(codes, { [problemType]: { schema: problemSchema } })
}

/** The same for a route whose config says `oauthErrors`. @param codes every code the route can refuse with */
export function oauthErrorResponses(...codes: ErrorCode[]) {
  return responsesByStatus(codes, { [oauthErrorType]: { schema: oauthProblemSchema } })
}

function responsesByStatus(codes: readonly ErrorCode[], content: object) {
  const byStatus: Record<string, { description: string; content: object }> = {}
  for (const code of codes) {
    const status = String(errorTable[code].status)
    const known = byStatus[status]?.description
    byStatus[status] = {
      description: known ? `${known}, \`${code}\`` : `\`${code}\``,
      content,
    }
  }
  return byStatus
}

/**
 * The body of a refusal.
 * @param code a row of the table
 * @param requestId the id the refusal is logged under
 * @param options places that are wrong; whether the route speaks OAuth errors
 */
export function problemBody(
  code: ErrorCode,
  requestId: string,
  options: { errors?: ProblemPlace[] | undefined; oauth?: boolean } = {},
): ProblemBody {
  const { status, title, oauth }: ErrorEntry = errorTable[code]
  return {
    type: `urn:cardea:problem:${code}`,
    title,
    status,
    code,
    request_id: requestId,
    ...(options.errors && { errors: options.errors }),
    ...(options.oauth && { error: oauth ?? 'invalid_request', error_description: title }),
  }
}

/** The challenge of every 401 (RFC 6750 section 3); `authenticate` adds to it what was wrong with a token. */
export const bearerChallenge = 'Bearer realm="cardea"'

async function errors(app: FastifyInstance): Promise<void> {
  decorateOutages(app)
  decorateRefusals(app)
  const methodsByPattern = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsByPattern.get(url) ?? new Set()
    for (const one of [method].flat()) methods.add(one)
    methodsByPattern.set(url, methods)
  })
  app.setErrorHandler((error: FastifyError, request, reply) =>
    writeProblem(isForeign(request.raw) ? problem('invalid_request', foreign) : toProblem(error), request, reply),
  )
  // Before a body is read: nobody here would want it, and a client that waits to be told to send it is never told.
  app.addHook('preParsing', (request, _reply, _body, done) => {
    done(request.is404 ? nothingThere(request, methodsByPattern) : null)
  })
  app.setNotFoundHandler((request, reply) => writeProblem(nothingThere(request, methodsByPattern), request, reply))
}

/**
 * Answers a request with a refusal: the one place that writes an error body.
 * @param problem what `toProblem` or `problem` made
 */
export function writeProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  logProblem(problem, request)
  request.server.refusals.tell(request, problem)
  const oauth = request.routeOptions.config?.oauthErrors === true
  const body = problemBody(problem.code, request.id, { errors: problem.errors, oauth })
  // RFC 9110 section 15.5.2: a 401 MUST carry a challenge.
  if (problem.statusCode === 401) reply.header('www-authenticate', bearerChallenge)
  if (problem.statusCode === 503) reply.header('retry-after', '1')
  reply.headers(problem.headers)
  // A string, so that no response schema of the route can drop a member.
  return reply
    .code(problem.statusCode)
    .header('cache-control', 'no-store')
    .header('x-content-type-options', 'nosniff')
    .type(oauth ? oauthErrorType : problemType)
    .send(JSON.stringify({ ...body, ...problem.members }))
}

// What refuses everybody is said together; each refusal for itself is a line of the level `debug`.
function logProblem({ code, detail, at, cause: err }: Problem, { log, server, id }: FastifyRequest): void {
  const entry = { code, detail, ...at, granted: false }
  if (isOutage(code)) server.outages.note(code, { reqId: id, err }, { detail, ...at })
  if (code === 'internal') log.error({ ...entry, err }, 'request failed')
  else log.debug(entry, 'request refused')
}

/**
 * The refusal that an error means. Whatever is not known is `internal`: input alone never leads there.
 * @param error a Problem, one of Fastify's own errors, a store failure, or a surprise
 */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (!(error instanceof Error)) return problem('internal', { cause: error })
  if (error.name === 'StoreUnavailable')
    return problem('store_unavailable', { detail: 'store_unavailable', cause: error })
  if (error.name === 'LastAdministrator') return problem('last_administrator', { detail: 'last_administrator' })
  if ('validation' in error) return problem('invalid_request', { detail: error.message, errors: placesOf(error) })
  const code = codeByStatus['statusCode' in error ? Number(error.statusCode) : 500]
  return code ? problem(code, { detail: error.message }) : problem('internal', { cause: error })
}

// What Fastify itself refuses with: body parsing, content types, limits.
const codeByStatus: Record<number, ErrorCode> = {
  400: 'invalid_request',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'target_too_long',
  415: 'unsupported_media_type',
  417: 'expectation_failed',
  429: 'too_many_requests',
  431: 'headers_too_large',
  503: 'overloaded',
}

function placesOf(error: Error): ProblemPlace[] {
  // Fastify's own shape of a validation failure, made by its schema compiler and by nothing else.
  const { validation, validationContext } = error as FastifyError
  return (validation ?? []).map(({ instancePath, message, params }) => ({
    in: validationContext ?? 'body',
    path: instancePath || memberNamed(params) || '/',
    message: message ?? 'is not valid',
  }))
}

function memberNamed(params: Record<string, unknown>): string | undefined {
  const name = params['missingProperty'] ?? params['additionalProperty']
  return typeof name === 'string' ? `/${name}` : undefined
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'])

function nothingThere(request: FastifyRequest, methodsByPattern: Map<string, Set<string>>): Problem {
  if (!knownMethods.has(request.method)) return problem('method_not_implemented')
  const allowed = new Set<string>()
  const path = request.url.split('?', 1)[0] ?? ''
  for (const [pattern, methods] of methodsByPattern) {
    if (matches(pattern, path)) for (const method of methods) allowed.add(method)
  }
  // A route may take the method and still find nothing, such as a folder without that file.
  if (allowed.size === 0 || allowed.has(request.method)) return problem('not_found')
  return problem('method_not_allowed', { headers: { allow: [...allowed].sort().join(', ') } })
}

function matches(pattern: string, path: string): boolean {
  // What answers everywhere, such as CORS preflights, says nothing about this path.
  if (pattern === '*') return false
  const wanted = pattern.split('/')
  const given = path.split('/')
  if (wanted.at(-1) !== '*' && wanted.length !== given.length) return false
  return wanted.every((segment, i) => segment === '*' || segment === given[i] || (segment.startsWith(':') && given[i]))
}

/** Fastify plugin: writes every refusal, and what is not found, from the one table. Registered first. */
export default fp(errors, { name: 'errors', fastify: '5.x' })
