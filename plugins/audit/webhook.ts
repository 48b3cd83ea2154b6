// Tells another system of signals: a signed POST each, again with growing pauses until it is taken. It goes to the configured
// URL and nowhere else: no redirect is followed, nothing of a signal is part of the address.
import { createHmac } from 'node:crypto'
import type { Signal } from '../session-store/port/events.ts'
import { BackOffQueue, type Trial } from './back-off-queue.ts'

export interface WebhookOptions {
  url: string
  secret: string
  /** s */
  clock: () => number
  /** Before the second attempt, ms. */
  firstPauseMs?: number
  onLost: (signal: Signal) => void
}

const timeoutMs = 5000
const settings = { limit: 200, attempts: 8, firstPauseMs: 1000 }

/** Sends signals. The id of a signal is the same in each attempt, so a receiver knows one that it has had. */
export class Webhook {
  readonly #options: WebhookOptions
  readonly #queue: BackOffQueue<Signal>

  constructor(options: WebhookOptions) {
    this.#options = options
    const { firstPauseMs = settings.firstPauseMs } = options
    this.#queue = new BackOffQueue({ ...settings, firstPauseMs }, (signal) => this.#send(signal), options.onLost)
  }

  /** Queues a signal. Never waits, never throws. */
  send(signal: Signal): void {
    this.#queue.add(signal)
  }

  stop(): void {
    this.#queue.stop()
  }

  async #send(signal: Signal): Promise<Trial> {
    const { url, secret, clock } = this.#options
    const body = JSON.stringify({ ...signal, at: new Date(signal.at).toISOString() })
    const timestamp = String(Math.floor(clock() / 1000))
    const response = await fetch(url, {
      method: 'POST',
      body,
      // A signed message goes where the config says and nowhere else.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        'content-type': 'application/json',
        'cardea-signal': signal.id,
        'cardea-timestamp': timestamp,
        'cardea-signature': `v1=${signature(secret, timestamp, body)}`,
      },
    })
    await response.body?.cancel()
    return trialOf(response.status)
  }
}

/**
 * What stands behind `v1=` in the field `cardea-signature`: HMAC-SHA-256 over timestamp, a full stop and the body, in hex.
 * A receiver computes it from what it got, compares in constant time, and refuses an old timestamp.
 */
export function signature(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
}

// Who says that the request is wrong would say so again.
function trialOf(statusCode: number): Trial {
  if (statusCode >= 200 && statusCode < 300) return 'done'
  return statusCode >= 500 || statusCode === 408 || statusCode === 429 ? 'again' : 'given_up'
}
