// What fails for everybody while the store is away, said in the log in one line and a count a minute instead of a line a request, in
// words that lead somewhere. It counts for the log only: metrics and events count by themselves.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    outages: Outages
  }
}

const look = 'look whether the store runs, can be reached and responds within CARDEA_STORE_TIMEOUT'

/** What can fail, and what is said of it. */
const sentences = {
  store_unavailable: `requests are refused (503), because the store does not respond: ${look}`,
  revocation_unknown: `requests are refused (503), because this node has had no news of revocations for CARDEA_MAX_STALENESS: ${look}`,
  revocation_log: `this node hears of no revocations, and refuses access tokens after CARDEA_MAX_STALENESS: ${look}`,
  events: `events cannot be kept now; they wait, and those that do not fit are counted as dropped: ${look}`,
  signing_keys: `the signing keys could not be brought up to date; those that are known go on: ${look}`,
} as const satisfies Record<string, string>

type Topic = keyof typeof sentences

interface Unsaid {
  times: number
  about: object
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
  readonly #unsaid = new Map<Topic, Unsaid>()
  readonly #cancels = new Map<Topic, () => void>()

  constructor(log: Pick<FastifyBaseLogger, 'warn'>, later = byTimer) {
    this.#log = log
    this.#later = later
  }

  /**
   * Notes that something failed once more: a line at once, and from then on one at the end of each minute in which it failed again.
   * @param about more members of the line, such as `err`; of those that are counted together the last stands there
   */
  note(topic: Topic, about: object): void {
    const unsaid = this.#unsaid.get(topic)
    if (unsaid) {
      unsaid.times += 1
      unsaid.about = about
    } else this.#say(topic, { times: 1, about })
  }

  /** Says what is not said yet, and nothing afterwards by itself. */
  close(): void {
    for (const cancel of this.#cancels.values()) cancel()
    for (const [topic, unsaid] of this.#unsaid) if (unsaid.times > 0) this.#write(topic, unsaid)
    this.#unsaid.clear()
  }

  #say(topic: Topic, unsaid: Unsaid): void {
    this.#write(topic, unsaid)
    this.#unsaid.set(topic, { times: 0, about: {} })
    this.#cancels.set(
      topic,
      this.#later(() => this.#settle(topic), everyMs),
    )
  }

  #settle(topic: Topic): void {
    const unsaid = this.#unsaid.get(topic)
    if (unsaid === undefined || unsaid.times === 0) this.#unsaid.delete(topic)
    else this.#say(topic, unsaid)
  }

  #write(topic: Topic, { times, about }: Unsaid): void {
    this.#log.warn({ outage: topic, times, ...about }, sentences[topic])
  }
}

/** Decorates `app.outages`, which ends with the app. */
export function decorateOutages(app: FastifyInstance): void {
  const outages = new Outages(app.log)
  app.decorate('outages', outages)
  app.addHook('onClose', async () => outages.close())
}
