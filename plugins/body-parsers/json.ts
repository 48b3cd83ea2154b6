// Strict JSON bodies for the gateway's own routes: a member named twice, `__proto__`, `constructor` or deep nesting is a
// refusal, because two readers of such a text may read two things (RFC 8259 section 4). Forwarded bodies are never parsed.
// `text/plain` is not taken there either.
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from '../errors/index.ts'
import { readBody } from './memory.ts'
import { bodyText } from './utf8.ts'

/** Deepest nesting of objects and arrays. */
export const jsonDepthLimit = 5

/** What is refused beside a name that stands twice. */
export interface JsonViolationOptions {
  /** Deepest nesting of objects and arrays. */
  depthLimit: number
  refusedNames: ReadonlySet<string>
}

const ownRules: JsonViolationOptions = {
  depthLimit: jsonDepthLimit,
  refusedNames: new Set(['__proto__', 'constructor']),
}

/**
 * Parses JSON strictly.
 * @param text RFC 8259, without a byte order mark
 * @param rules by default those of the gateway's own routes
 * @returns the value
 * @throws Problem `invalid_request`
 */
export function parseStrictJson(text: string, rules: JsonViolationOptions = ownRules): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw problem('invalid_request', { detail: 'json_malformed', cause })
  }
  const violation = violationOf(text, rules)
  if (violation) throw problem('invalid_request', { detail: violation })
  return value
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],]/g

/** An open object with the names it has so far (and whether a name comes next), or an open array. */
type Open = { names: Set<string>; expectsName: boolean } | 'array'

// The text has been parsed once, so it is well-formed: what is left to see is structure, and which strings are names.
function violationOf(text: string, { depthLimit, refusedNames }: JsonViolationOptions): string | undefined {
  const open: Open[] = []
  for (const [part] of text.matchAll(token)) {
    const inner = open.at(-1)
    if (part === '{' || part === '[') {
      if (open.push(part === '{' ? { names: new Set(), expectsName: true } : 'array') > depthLimit)
        return 'json_too_deep'
    } else if (part === '}' || part === ']') {
      open.pop()
    } else if (typeof inner === 'object') {
      if (part === ',') inner.expectsName = true
      else if (inner.expectsName) {
        const violation = nameViolation(JSON.parse(part), inner.names, refusedNames)
        if (violation) return violation
        inner.expectsName = false
      }
    }
  }
  return undefined
}

function nameViolation(name: string, names: Set<string>, refusedNames: ReadonlySet<string>): string | undefined {
  if (refusedNames.has(name)) return 'json_name_refused'
  if (names.has(name)) return 'json_name_repeated'
  names.add(name)
  return undefined
}

/**
 * Reads the body of a request as JSON. An empty body is no body: whether the route can do without one, its schema says.
 * @param payload of this request; nothing of it has been read
 * @throws Problem as `readBody`, `bodyText` and `parseStrictJson` do
 */
export async function readJson(request: FastifyRequest, payload: IncomingMessage): Promise<unknown> {
  const body = await readBody(request, payload, request.routeOptions.bodyLimit)
  return body.length === 0 ? undefined : parseStrictJson(bodyText(request, body))
}

async function jsonBody(app: FastifyInstance): Promise<void> {
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', readJson)
}

/** Fastify plugin: replaces the body parsers of the scope it is registered on. */
export default fp(jsonBody, { name: 'json-body', fastify: '5.x', dependencies: ['body-memory'] })
