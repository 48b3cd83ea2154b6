// Strict JSON bodies for the gateway's own routes: a member named twice, `__proto__`, `constructor` or deep nesting is a
// refusal, because two readers of such a text may read two things (RFC 8259 section 4). Registered on the scope of the
// gateway's own routes; forwarded bodies are never parsed. `text/plain` is not taken there either.
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { readBody } from './body-memory.ts'
import { bodyText } from './body-text.ts'
import { problem } from './errors.ts'

/** Deepest nesting of objects and arrays. */
export const jsonDepthLimit = 5

/** What is refused beside a name that stands twice. */
export interface JsonFlawOptions {
  /** Deepest nesting of objects and arrays. */
  depthLimit: number
  refusedNames: ReadonlySet<string>
}

const ownRules: JsonFlawOptions = { depthLimit: jsonDepthLimit, refusedNames: new Set(['__proto__', 'constructor']) }

/**
 * Parses JSON strictly.
 * @param text RFC 8259, without a byte order mark
 * @param rules by default those of the gateway's own routes
 * @returns the value
 * @throws Problem `invalid_request`
 */
export function parseStrictJson(text: string, rules: JsonFlawOptions = ownRules): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw problem('invalid_request', { reason: 'json_malformed', cause })
  }
  const flaw = flawOf(text, rules)
  if (flaw) throw problem('invalid_request', { reason: flaw })
  return value
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],]/g

/** An open object with the names it has so far (and whether a name comes next), or an open array. */
type Open = { names: Set<string>; expectsName: boolean } | 'array'

// The text has been parsed once, so it is well-formed: what is left to see is structure, and which strings are names.
function flawOf(text: string, { depthLimit, refusedNames }: JsonFlawOptions): string | undefined {
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
        const flaw = nameFlaw(JSON.parse(part), inner.names, refusedNames)
        if (flaw) return flaw
        inner.expectsName = false
      }
    }
  }
  return undefined
}

function nameFlaw(name: string, names: Set<string>, refusedNames: ReadonlySet<string>): string | undefined {
  if (refusedNames.has(name)) return 'json_name_refused'
  if (names.has(name)) return 'json_name_repeated'
  names.add(name)
  return undefined
}

// An empty body is no body: whether the route can do without one, its schema says.
async function parse(request: FastifyRequest, payload: IncomingMessage): Promise<unknown> {
  const body = await readBody(request, payload, request.routeOptions.bodyLimit)
  return body.length === 0 ? undefined : parseStrictJson(bodyText(request, body))
}

async function jsonBody(app: FastifyInstance): Promise<void> {
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', parse)
}

/** Fastify plugin: replaces the body parsers of the scope it is registered on. */
export default fp(jsonBody, { name: 'json-body', fastify: '5.x', dependencies: ['body-memory'] })
