// The plugin `audit`: what happens to sessions and tokens, as events with one reason each from a closed list; here a log line
// and a counter. It needs no store, so that the store can be registered after it and record, too: what is kept for all nodes is
// the plugin `audit-trail`. Nothing here ever holds a token, a cookie or a password.
import { hostname } from 'node:os'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { peerOf, unknown } from '../clients/address.ts'
import { type NetworkBits, networkNames } from '../clients/network.ts'
import { phraseOf, type Refusal, type RefusedRequest } from '../errors/refusals.ts'
import { rememberedLabel } from '../session-store/device-label.ts'
import type { NewEvent } from '../session-store/port/events.ts'
import type { Session } from '../session-store/port/store.ts'
import { type Counts, countUp, newCounts } from './counts.ts'
import { type Reason, reasons, reasonTable } from './reasons/index.ts'
import type { ReasonRow } from './reasons/row.ts'

declare module 'fastify' {
  interface FastifyInstance {
    audit: Audit
  }
  interface FastifyRequest {
    /** Why it was refused, as its event says; undefined before there is one. */
    refusedFor: Reason | undefined
  }
}

/** What is to be recorded of an event; where it came from, the request says. */
export interface AuditEvent
  extends Pick<NewEvent, 'reason' | 'granted' | 'sub' | 'sid' | 'generation' | 'detail' | 'instance'> {
  /** When the refresh token was issued that was presented. */
  issuedAtSeconds?: number | undefined
  /** The session as it is afterwards, for those who listen; it is neither logged nor kept. */
  session?: Session | undefined
}

/** Levels of a log that writes ordinary events. */
const talkative: ReadonlySet<string> = new Set(['trace', 'debug', 'info'])

export interface AuditOptions {
  /** The name of this node in events; host and process id when absent. */
  node?: string | undefined
  /** How much of an address events keep; 24 and 48 bits when absent. */
  network?: NetworkBits
  /** A clock, ms; this node's when absent. */
  clock?: () => number
  /** Counts that go on; new ones when absent. */
  counts?: Counts
}

/** What an event takes of a request; where there is only a connection, of that. */
type AuditedRequest = RefusedRequest & Partial<Pick<FastifyRequest, 'access' | 'refusedFor'>>

type Listener = (event: NewEvent, session: Session | undefined) => void

/** Counts and logs events. Recording never fails and never waits. */
export class Audit {
  /** This node, as operators know it. */
  readonly node: string
  /** As much of an address as events keep. */
  readonly networkOf: (address: string) => string
  readonly #counts: Counts
  readonly #log: FastifyBaseLogger
  readonly #clock: () => number
  readonly #listeners: Listener[] = []

  constructor(log: FastifyBaseLogger, options: AuditOptions) {
    const { node = ownName(), network = { ipv4: 24, ipv6: 48 }, clock = Date.now } = options
    this.node = node
    this.networkOf = networkNames(network)
    this.#counts = options.counts ?? newCounts(reasons)
    this.#log = log
    this.#clock = clock
  }

  /**
   * Records one event. Whatever is wrong with what it is given, or with who listens, the one who records goes on.
   * @param request where it came from; undefined when the gateway itself acted
   */
  record(request: AuditedRequest | undefined, event: AuditEvent): void {
    try {
      this.#record(request, event)
    } catch (err) {
      this.#complain(err)
    }
  }

  #record(request: AuditedRequest | undefined, event: AuditEvent): void {
    countUp(this.#counts, event.reason)
    const recorded = this.#complete(request, event)
    const log = request?.log ?? this.#log
    const { level, goesOn }: ReasonRow = reasonTable[event.reason]
    if (request !== undefined && !event.granted && goesOn !== true) request.refusedFor = event.reason
    // A line that is not written anyway shall not be made: there is one for each refresh.
    if (level === 'warn') log.warn(this.#lineOf(recorded), 'alarm')
    else if (talkative.has(log.level)) log.info(this.#lineOf(recorded), 'event')
    for (const listener of this.#listeners) this.#tell(listener, recorded, event.session)
  }

  /** Records a refusal, unless an event with a word of its own has said it already. */
  refuse(request: AuditedRequest, refusal: Refusal): void {
    if (request.refusedFor !== undefined) return
    const { sub, sid } = request.access ?? {}
    const instance = refusal.at?.origin
    this.record(request, { reason: reasonOf(refusal), granted: false, detail: detailOf(refusal), instance, sub, sid })
  }

  /** Calls `listener` with each event from now on; it must neither throw nor wait. */
  onRecorded(listener: Listener): void {
    this.#listeners.push(listener)
  }

  #complain(err: unknown): void {
    try {
      this.#log.error({ err }, 'an event could not be recorded')
    } catch {
      // A log that fails has nobody left to tell.
    }
  }

  // One who fails keeps the event from nobody else.
  #tell(listener: Listener, event: NewEvent, session: Session | undefined): void {
    try {
      listener(event, session)
    } catch (err) {
      this.#complain(err)
    }
  }

  // Every member by name: there is one of these for each refresh, and a spread would cost more than all that is done with it.
  #complete(request: AuditedRequest | undefined, event: AuditEvent): NewEvent {
    const at = this.#clock()
    const { reason, granted, sub, sid, generation, detail, instance, issuedAtSeconds } = event
    const tokenAgeSeconds =
      issuedAtSeconds === undefined ? undefined : Math.max(0, Math.floor(at / 1000) - issuedAtSeconds)
    const client = request && (rememberedLabel(request.headers['user-agent'] ?? '') || undefined)
    const network = request && (this.networkOf(addressOf(request)) || undefined)
    const actor = request && actorOf(request, event)
    const { node } = this
    // Whoever was refused something has an id to ask by.
    const refused = granted ? undefined : request
    const { id: requestId, method, routeOptions } = refused ?? {}
    const route = routeOptions?.url
    // biome-ignore format: one line a kind of member
    return {
      at, node, reason, granted, sub, sid, generation, client, network, tokenAgeSeconds, actor, detail,
      requestId, method, route, instance,
    }
  }

  // The actor and the id stand in the request's own log already.
  #lineOf({ reason, at: _, actor: __, requestId: ___, ...rest }: NewEvent): object {
    return { event: reason, ...rest }
  }

  /** How often each reason was recorded since this process started. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}

function addressOf({ clientAddress, raw }: AuditedRequest): string {
  return clientAddress ?? (raw && peerOf(raw.socket)[0]) ?? unknown
}

function actorOf(request: AuditedRequest, { sub }: AuditEvent): string | undefined {
  const caller = request.access?.sub
  return caller === sub ? undefined : caller
}

// By the error table: what is neither the service's nor the gateway's is the request's own.
function reasonOf({ code, statusCode }: Refusal): Reason {
  if (code.startsWith('upstream_') && statusCode >= 502) return 'service_failed'
  const isFailure = statusCode === 500 || (statusCode >= 502 && code !== 'stopping')
  return isFailure ? 'gateway_failed' : 'request_refused'
}

const detailLength = 160

// Some of them are sentences of libraries, which could quote a request.
function detailOf(refusal: Refusal): string {
  return phraseOf(refusal)
    .slice(0, detailLength)
    .replace(/[^\x20-\x7e]/g, '?')
}

/** Host and process: two workers of one machine are two nodes. */
function ownName(): string {
  const host = hostname().replace(/[^A-Za-z0-9.-]/g, '-')
  return `${host.slice(0, 24)}-${process.pid}`
}

async function audit(app: FastifyInstance, options: AuditOptions): Promise<void> {
  const trail = new Audit(app.log, options)
  app.decorate('audit', trail)
  app.decorateRequest('refusedFor', undefined)
  app.refusals.onRefused((request, refusal) => trail.refuse(request, refusal))
}

/** Fastify plugin: decorates `app.audit`. */
export default fp(audit, { name: 'audit', fastify: '5.x', dependencies: ['errors', 'client-address'] })
