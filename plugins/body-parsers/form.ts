// `application/x-www-form-urlencoded` bodies for the OAuth routes (RFC 6749 appendix B). Registered on those routes only: a
// form is what another site's page can send without asking. A parameter sent twice is a refusal (RFC 6749 section 3.2).
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from '../errors/index.ts'
import { readBody } from './memory.ts'
import { bodyText } from './utf8.ts'

/** Most parameters of a form. */
export const formParameterLimit = 32

/** Longest name or value, decoded, in UTF-16 units. */
export const formTextLimit = 2048

/**
 * Parses a form strictly: every `%` begins an escape of UTF-8, no parameter is repeated, no name is empty.
 * @returns the parameters, without those that have no value (RFC 6749 section 3.2: as if omitted), without a prototype
 * @throws Problem `invalid_request`
 */
export function parseForm(text: string): Record<string, string> {
  const parameters: Record<string, string> = Object.create(null)
  const seen = new Set<string>()
  const pairs = text === '' ? [] : text.split('&')
  if (pairs.length > formParameterLimit) throw problem('invalid_request', { detail: 'form_too_many_parameters' })
  for (const pair of pairs) {
    const [name, value] = parsePair(pair)
    if (seen.has(name)) throw problem('invalid_request', { detail: 'form_parameter_repeated' })
    seen.add(name)
    if (value !== '') parameters[name] = value
  }
  return parameters
}

function parsePair(pair: string): [name: string, value: string] {
  const equals = pair.indexOf('=')
  const name = decode(equals < 0 ? pair : pair.slice(0, equals))
  const value = equals < 0 ? '' : decode(pair.slice(equals + 1))
  if (name === '') throw problem('invalid_request', { detail: 'form_name_empty' })
  if (name.length > formTextLimit || value.length > formTextLimit) {
    throw problem('invalid_request', { detail: 'form_text_too_long' })
  }
  return [name, value]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw problem('invalid_request', { detail: 'form_escape_malformed', cause })
  }
}

/**
 * Reads the body of a request as a form.
 * @param payload of this request; nothing of it has been read
 * @throws Problem as `readBody`, `bodyText` and `parseForm` do
 */
export async function readForm(request: FastifyRequest, payload: IncomingMessage): Promise<Record<string, string>> {
  return parseForm(bodyText(request, await readBody(request, payload, request.routeOptions.bodyLimit)))
}

/** Whether a request's body was a form. */
export function isForm(request: FastifyRequest): boolean {
  return request.mediaType === 'application/x-www-form-urlencoded'
}

async function formBody(app: FastifyInstance): Promise<void> {
  app.addContentTypeParser('application/x-www-form-urlencoded', readForm)
}

/** Fastify plugin: takes forms on the scope it is registered on. */
export default fp(formBody, { name: 'form-body', fastify: '5.x', dependencies: ['body-memory'] })
