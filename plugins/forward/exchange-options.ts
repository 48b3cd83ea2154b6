// What an exchange is made with: the request, where it goes, and how the framework is told. Made by index.ts for each forwarded
// request; read by exchange.ts and answer-head.ts. Plain data: a closure in it would keep the request alive for long.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Problem } from '../errors.ts'
import type { AccessClaims } from '../jwt/index.ts'
import type { Place } from './places.ts'
import type { CompiledRoute } from './route.ts'
import type { Upstreams } from './upstream.ts'

/** How the framework is told: a refusal to write, or that the answer is written here. Fastify's reply is one. */
export interface Answer {
  hijack(): unknown
  send(refusal: Problem): unknown
}

export interface ExchangeOptions {
  upstreams: Upstreams
  route: CompiledRoute
  place: Place
  request: IncomingMessage
  response: ServerResponse
  answer: Answer
  requestId: string
  /** The whole body, where it was read before it is sent. */
  body?: Buffer | undefined
  access: AccessClaims | null
  allowOrigin: string | undefined
  /** What the client is told about its limit: names and values in turn. */
  limitFields: readonly string[] | null
}
