// Retry binding: whether a retry comes from the client that the session belongs to, as far as a request shows it. It reads no
// store and ends nothing. It stops those who took the token alone. Whoever copies the User-Agent field and sends the cookie
// passes (docs/threat-model.md).
import { isSameClient } from './device-label.ts'
import type { Session } from './port/store.ts'

/** Whose retry is honoured: that of whoever holds the token, or only that of a client like the session's own. */
export type RetryBinding = 'none' | 'client'

/** What a refresh shows of its client. */
export interface PresentingClient {
  /** Its device label. */
  label: string
  /** The refresh token came in the cookie, not in the body. */
  isByCookie: boolean
}

/**
 * What speaks against a retry under this binding.
 * @param session as the store holds it
 * @returns a phrase for the event, or undefined when the retry is to be honoured
 */
export function retryViolation(
  { device, inCookie }: Pick<Session, 'device' | 'inCookie'>,
  { label, isByCookie }: PresentingClient,
  binding: RetryBinding,
): string | undefined {
  if (binding === 'none') return undefined
  if (inCookie && !isByCookie) return 'a retry without the cookie that the session lives in'
  if (!isSameClient(device, label)) return 'a retry from a client with another label'
  return undefined
}
