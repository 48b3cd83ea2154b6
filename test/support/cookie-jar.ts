// A browser's cookie jar, for tests in which responses arrive in another order than their requests were sent.
import type { LightMyRequestResponse } from 'fastify'
import { deviceCookieName } from '../../plugins/browser/cookies.ts'
import { browserHeaders, cookiesSetBy } from './gateway.ts'

export class CookieJar {
  readonly #values = new Map<string, string>()

  /** Does what a response that arrives now says. @returns the response */
  take(response: LightMyRequestResponse): LightMyRequestResponse {
    for (const [name, { value }] of Object.entries(cookiesSetBy(response))) {
      this.#values.delete(name)
      if (value !== '') this.#values.set(name, value)
    }
    return response
  }

  /** What a request that is sent now carries, from our own page. */
  headers(): Record<string, string> {
    const pairs = [...this.#values].map(([name, value]) => `${name}=${value}`)
    return browserHeaders(pairs.length > 0 ? pairs.join('; ') : undefined)
  }

  /** The names of what opens something: all but the device's. */
  names(): string[] {
    return [...this.#values.keys()].filter((name) => name !== deviceCookieName).sort()
  }
}
