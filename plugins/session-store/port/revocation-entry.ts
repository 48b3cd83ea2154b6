// An entry of the revocation log as both adapters keep it: flat texts and a time. What it cannot read it says so of: a newer
// gateway beside this one may write kinds unknown here.
import type { EndReason, LogPosition, RevocationEntry, RevocationPage } from './store.ts'

export interface RevocationFields {
  kind: string
  /** What is revoked: a sid, sub, jti or kid; '' for everyone. */
  name: string
  /** Of a session whose it is; '' otherwise. */
  sub: string
  /** '' where the kind has none. */
  reason: string
  /** ms */
  at: number
}

/** How a revocation is kept. */
export function toEntry(revocation: RevocationEntry): RevocationFields {
  const { kind, at } = revocation
  const bare = { kind, name: '', sub: '', reason: '', at }
  switch (kind) {
    case 'session':
      return { ...bare, name: revocation.sid, sub: revocation.sub, reason: revocation.reason }
    case 'subject':
      return { ...bare, name: revocation.sub, reason: revocation.reason }
    case 'everyone':
      return { ...bare, reason: revocation.reason }
    case 'token':
      return { ...bare, name: revocation.jti }
    case 'signing_key':
      return { ...bare, name: revocation.kid }
  }
}

/**
 * Reads an entry. A reason that this version does not know is kept as it is: the session has ended all the same.
 * @returns undefined for a kind that is unknown here, or an entry that lacks what its kind needs
 */
export function fromEntry({ kind, name, sub, reason: text, at }: RevocationFields): RevocationEntry | undefined {
  // Boundary: an EndReason when it was written.
  const reason = text as EndReason
  if (!Number.isSafeInteger(at) || at < 0 || (name === '' && kind !== 'everyone')) return undefined
  switch (kind) {
    case 'session':
      return { kind, sid: name, sub, at, reason }
    case 'subject':
      return { kind, sub: name, at, reason }
    case 'everyone':
      return { kind, at, reason }
    case 'token':
      return { kind, jti: name, at }
    case 'signing_key':
      return { kind, kid: name, at }
    default:
      return undefined
  }
}

/**
 * A page of the log.
 * @param entries oldest first
 * @param position where to go on
 */
export function toPage(entries: readonly RevocationFields[], position: LogPosition, hasGap = false): RevocationPage {
  const revocations = entries.map(fromEntry).filter((revocation) => revocation !== undefined)
  return { revocations, position, unknownEntries: entries.length - revocations.length, hasGap }
}

/** Whether a page is worth waking a reader for: it brings entries, or says that some were lost. */
export function hasNews({ revocations, unknownEntries, hasGap }: RevocationPage): boolean {
  return revocations.length + unknownEntries > 0 || hasGap
}
