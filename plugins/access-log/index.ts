// The plugin `access-log`: one line a request, written when its response is over. It says what was asked and what came of it, and
// never holds a token, a cookie or the values of a query. Switched off, it adds no hook.
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { type NetworkBits, networkNames } from '../clients/network.ts'
import { phraseOf } from '../errors/refusals.ts'
import { RequestEnd } from './request-end.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The line that is to be written; null where the access log is off. */
    accessLine: AccessLine | null
  }
}

export interface AccessLogOptions {
  /**
   * Which requests get a line. `errors`: those with a status from 400 on, those whose response broke off, and those whose client
   * left before it. `sample`: these, and one in so many of the others.
   */
  requests: 'off' | 'errors' | 'sample' | 'all'
  /** One in so many, for `sample`. */
  sampleOneIn: number
  /** How much of an address lines keep; 24 and 48 bits when absent. */
  network?: NetworkBits
}

async function accessLog(app: FastifyInstance, options: AccessLogOptions): Promise<void> {
  const { requests, sampleOneIn, network = { ipv4: 24, ipv6: 48 } } = options
  app.decorateRequest('accessLine', null)
  if (requests === 'off') return
  const oneIn = { errors: 0, sample: sampleOneIn, all: 1 }[requests]
  // Whoever asks for this log gets it, however little of the other is wanted.
  const accesses = new AccessLog(app.log.child({}, { level: 'info' }), oneIn, networkNames(network))
  app.addHook('onRequest', (request, reply, done) => {
    accesses.begin(request, reply)
    done()
  })
}

export class AccessLog {
  readonly #log: FastifyBaseLogger
  readonly #oneIn: number
  readonly networkOf: (address: string) => string
  #passed = 0

  /** @param oneIn of so many requests that went well, one gets a line; 0 for none */
  constructor(log: FastifyBaseLogger, oneIn: number, networkOf: (address: string) => string) {
    this.#log = log
    this.networkOf = networkOf
    this.#oneIn = oneIn
  }

  /** Keeps what is known of a request when it comes, until its response is over. */
  begin(request: FastifyRequest, reply: FastifyReply): void {
    request.accessLine = new AccessLine(this, request, reply)
  }

  /** Whether a request that went well gets a line. */
  isChosen(): boolean {
    this.#passed += 1
    return this.#oneIn > 0 && this.#passed % this.#oneIn === 0
  }

  write(line: object): void {
    this.#log.info(line, 'request')
  }
}

/** What is known of a request when it comes, until its line is written. */
class AccessLine {
  readonly #log: AccessLog
  readonly #request: FastifyRequest
  readonly #sinceMs = performance.now()
  readonly #bytesBefore: number
  #isWritten = false

  constructor(log: AccessLog, request: FastifyRequest, { raw }: FastifyReply) {
    this.#log = log
    this.#request = request
    this.#bytesBefore = bytesOn(request)
    new RequestEnd(raw, (statusCode, isWhole) => this.end(statusCode, isWhole))
  }

  /**
   * Writes the line, once.
   * @param statusCode undefined when the client got no response
   * @param isWhole whether the response was written to its end
   */
  end(statusCode: number | undefined, isWhole: boolean): void {
    if (this.#isWritten) return
    this.#isWritten = true
    const { place, refusedFor } = this.#request
    const broken = isWhole ? undefined : place?.failure
    const isError = statusCode === undefined || statusCode >= 400 || broken !== undefined
    if (!isError && !this.#log.isChosen()) return
    const { id: reqId, method, raw, access, routeOptions, clientAddress } = this.#request
    const outcome = isWhole ? undefined : broken === undefined ? 'left' : 'broken'
    const bytes = bytesOn(this.#request) - this.#bytesBefore
    const durationMs = Math.round((performance.now() - this.#sinceMs) * 10) / 10
    const network = this.#log.networkOf(clientAddress)
    const instance = place?.instance.origin
    const path = withoutValues(raw.url ?? '')
    const { sub, sid } = access ?? {}
    const detail = broken && phraseOf(broken)
    // biome-ignore format: one line a kind of member
    const line = {
      reqId, method, route: routeOptions.url, path, status: statusCode, outcome, durationMs, bytes,
      instance, sub, sid, network, reason: refusedFor, detail,
    }
    this.#log.write(line)
  }
}

// A request that no connection brought has none.
function bytesOn({ raw }: FastifyRequest): number {
  return raw.socket.bytesWritten ?? 0
}

const longestPath = 1024

// A query may hold what belongs to somebody: a token, an address, a search. That there was one is said.
function withoutValues(target: string): string {
  const query = target.indexOf('?')
  const path = query === -1 ? target : `${target.slice(0, query)}?…`
  return path.length <= longestPath ? path : `${path.slice(0, longestPath)}…`
}

/** Fastify plugin: writes the access log, where one is wanted. Its hook is the first to meet a request. */
export default fp(accessLog, { name: 'access-log', fastify: '5.x', dependencies: ['client-address'] })
