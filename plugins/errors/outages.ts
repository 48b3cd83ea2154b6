// Outages, which refuse everybody (the store or a service that is away, no room, no descriptors), said in the log in one line
// at once, one with a count a minute and one when it is over, instead of a line a request, in words that lead somewhere. It
// counts for the log only: metrics and events count by themselves.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { isLack, lacks } from './shortage.ts'

declare module 'fastify' {
  interface FastifyInstance {
    outages: Outages
  }
}

const look = 'look whether the store runs, can be reached and responds within CARDEA_STORE_TIMEOUT'

/** What can fail, and what is said of it; rows of the error table from 502 on among it. */
const sentences = {
  ...lacks,
  upstream_unreachable: 'requests are refused (502), because this instance of a service cannot be reached',
  upstream_bad_response:
    'requests are refused (502), because this instance of a service responds with what cannot be passed on',
  overloaded: 'requests are refused (503), because there is no room for more: `detail` says where',
  upstream_unavailable: 'requests are refused (503), because no instance of this service is to be had now',
  upstream_timeout:
    'requests are refused (504), because this instance of a service does not respond within `timeouts.headers`',
  store_unavailable: `requests are refused (503), because the store does not respond: ${look}`,
  revocation_unknown: `requests are refused (503), because this node has had no news of revocations for CARDEA_MAX_STALENESS: ${look}`,
  stopping: 'this node says that it is not ready (503), because it is being stopped',
  revocation_log: `this node hears of no revocations, and refuses access tokens after CARDEA_MAX_STALENESS: ${look}`,
  events: `events cannot be kept now; they wait, and those that do not fit are counted as dropped: ${look}`,
  signing_keys: `the signing keys could not be brought up to date; those that are known go on: ${look}`,
} as const satisfies Record<string, string>

type Topic = keyof typeof sentences

/** A route, and the instance of its service where it is known: both are of the config. */
export interface ServicePlace {
  prefix: string
  origin?: string
}

/** What is counted for itself within a topic; of closed lists, so that there are never many. */
export interface Cause extends Partial<ServicePlace> {
  detail?: string | undefined
}

interface Outage {
  topic: Topic
  cause: Cause
  /** How often it happened, and how often of that since the last line. */
  total: number
  unsaid: number
  /** Of those that are counted together the last. */
  about: object
  cancel: () => void
}

const everyMs = 60_000

/** Whether refusals of this code are said by `Outages`. @param code a row of the error table */
export function isOutage(code: string): code is Topic {
  return Object.hasOwn(sentences, code)
}

/** Calls `act` once after `ms`. @returns takes that back */
export type Later = (act: () => void, ms: number) => () => void

const byTimer: Later = (act, ms) => {
  const timer = setTimeout(act, ms).unref()
  return () => clearTimeout(timer)
}

export class Outages {
  readonly #log: Pick<FastifyBaseLogger, 'warn'>
  readonly #later: Later
  readonly #open = new Map<string, Outage>()

  constructor(log: Pick<FastifyBaseLogger, 'warn'>, later = byTimer) {
    this.#log = log
    this.#later = later
  }

  /**
   * Notes that something failed once more: a line at once, from then on one at the end of each minute in which it failed again, and
   * one after the first minute in which it did not.
   * @param about more members of the line, such as `err`; of those that are counted together the last stands there
   * @param cause what is counted for itself
   */
  note(topic: Topic, about: object, cause: Cause = {}): void {
    const key = `${topic} ${cause.detail} ${cause.prefix} ${cause.origin}`
    const known = this.#open.get(key)
    if (known !== undefined) {
      known.total += 1
      known.unsaid += 1
      known.about = about
      return
    }
    const outage = { topic, cause, total: 1, unsaid: 1, about, cancel: () => {} }
    this.#open.set(key, outage)
    this.#say(key, outage)
  }

  /** Notes what this process lacks. @param code a system error's, `connections` or `share`; anything else is passed over */
  noteLack(code: string): void {
    if (isLack(code)) this.note(code, {})
  }

  /** Says what is not said yet, and nothing afterwards by itself. */
  close(): void {
    for (const outage of this.#open.values()) {
      outage.cancel()
      if (outage.unsaid > 0) this.#write(outage)
    }
    this.#open.clear()
  }

  #say(key: string, outage: Outage): void {
    this.#write(outage)
    outage.unsaid = 0
    outage.about = {}
    outage.cancel = this.#later(() => this.#report(key, outage), everyMs)
  }

  #report(key: string, outage: Outage): void {
    if (outage.unsaid > 0) {
      this.#say(key, outage)
      return
    }
    this.#open.delete(key)
    const { topic, cause, total } = outage
    this.#log.warn({ outage: topic, ...cause, isOver: true, total }, 'for a minute this has not happened any more')
  }

  #write({ topic, cause, unsaid, about }: Outage): void {
    this.#log.warn({ outage: topic, ...cause, times: unsaid, ...about }, sentences[topic])
  }
}

/** Decorates `app.outages`, which ends with the app. */
export function decorateOutages(app: FastifyInstance): void {
  const outages = new Outages(app.log)
  app.decorate('outages', outages)
  app.addHook('onClose', async () => outages.close())
}
