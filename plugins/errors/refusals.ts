// Refusals, told to whoever keeps them: what the client got, why, and whose request it was. Nobody who listens can change or hold
// up a response.
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import type { ServicePlace } from './outages.ts'

declare module 'fastify' {
  interface FastifyInstance {
    refusals: Refusals
  }
}

/** What was refused, and why. */
export interface Refusal {
  /** A row of the error table. */
  code: string
  statusCode: number
  /** A word or a short phrase, for operators. */
  detail?: string | undefined
  /** The route and the instance of a service that it is about. */
  at?: ServicePlace | undefined
}

/**
 * What is known of a refused request; of a connection that brought none, there is no more than its address. What the router
 * itself refused has `raw`, and no `clientAddress`.
 */
export interface RefusedRequest extends Partial<Pick<FastifyRequest, 'method' | 'routeOptions' | 'raw'>> {
  /** What its client was shown. */
  id: string
  /** See clients/address.ts. */
  clientAddress?: string
  headers: Pick<FastifyRequest['headers'], 'user-agent'>
  log: FastifyBaseLogger
}

/** What a refusal or a failure is, in a phrase for operators, such as `upstream_timeout: body_idle`. */
export function phraseOf({ code, detail }: Pick<Refusal, 'code' | 'detail'>): string {
  return detail === undefined || detail === code ? code : `${code}: ${detail}`
}

/** It must neither throw nor wait. */
export type RefusalListener = (request: RefusedRequest, refusal: Refusal) => void

export class Refusals {
  readonly #listeners: RefusalListener[] = []

  /** Calls `listener` with each refusal from now on. */
  onRefused(listener: RefusalListener): void {
    this.#listeners.push(listener)
  }

  tell(request: RefusedRequest, refusal: Refusal): void {
    for (const listener of this.#listeners) listener(request, refusal)
  }
}

/** Decorates `app.refusals`. */
export function decorateRefusals(app: FastifyInstance): void {
  app.decorate('refusals', new Refusals())
}
