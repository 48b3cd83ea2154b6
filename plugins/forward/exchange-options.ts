// The options of an exchange: the request, where it goes, and how the framework is told. Plain data: a closure in it would
// keep the request alive for long.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessClaims } from '../access-tokens/index.ts'
import type { Problem } from '../errors/index.ts'
import type { CompiledRoute } from './route/compile.ts'
import type { ExchangePlace } from './route/places.ts'
import type { Upstreams } from './upstream/upstreams.ts'

/** How the framework is told: a refusal to write, or that the response is written here. Fastify's reply is one. */
export interface ClientReply {
  hijack(): unknown
  send(problem: Problem): unknown
}

export interface ExchangeOptions {
  upstreams: Upstreams
  route: CompiledRoute
  place: ExchangePlace
  request: IncomingMessage
  response: ServerResponse
  reply: ClientReply
  requestId: string
  /** The whole body, where it was read before it is sent. */
  body?: Buffer | undefined
  access: AccessClaims | null
  allowOrigin: string | undefined
  /** What the client is told about its limit: names and values in turn. */
  limitFields: readonly string[] | null
}
