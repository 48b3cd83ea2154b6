// A session as a row of the embedded store and back. Runs no statement.

import type { EndReason, Session } from '../port/store.ts'
import { newestRotation } from '../rotation.ts'

/** The columns of table `sessions`. */
export interface SessionRow {
  sid: string
  sub: string
  generation: number
  provenGeneration: number
  rotatedAt: string
  createdAt: number
  absoluteExpirySeconds: number
  idleTtlSeconds: number
  roles: string
  scope: string
  device: string
  ip: string
  amr: string
  inCookie: number
  userRevision: number
  revokedAt: number | null
  endReason: EndReason | null
  purgeAt: number
}

/**
 * An expired session stays this much longer, so that its client is told `expired` and not `unknown`, and so that a clock
 * set back a little does not find its tombstone gone.
 */
export const purgeMarginMs = 60 * 60 * 1000

/** A session as its row. */
export function toRow(session: Session): SessionRow & Record<string, string | number | null> {
  return {
    sid: session.sid,
    sub: session.sub,
    generation: session.generation,
    provenGeneration: session.provenGeneration,
    rotatedAt: JSON.stringify(session.rotatedAt),
    createdAt: session.createdAt,
    absoluteExpirySeconds: session.absoluteExpirySeconds,
    idleTtlSeconds: session.idleTtlSeconds,
    roles: JSON.stringify(session.roles),
    scope: session.scope,
    device: session.device,
    ip: session.ip,
    amr: JSON.stringify(session.amr),
    inCookie: Number(session.inCookie ?? false),
    userRevision: session.userRevision,
    revokedAt: session.revokedAt ?? null,
    endReason: session.endReason ?? null,
    purgeAt: purgeAtOf(session),
  }
}

/** A row as its session, or its tombstone. */
export function toSession(row: SessionRow): Session {
  const { revokedAt, endReason, inCookie, purgeAt: _derived, ...columns } = row
  return {
    ...columns,
    rotatedAt: JSON.parse(row.rotatedAt),
    roles: JSON.parse(row.roles),
    amr: JSON.parse(row.amr),
    ...(inCookie === 1 && { inCookie: true }),
    ...(revokedAt !== null && endReason !== null && { revokedAt, endReason }),
  }
}

// A tombstone stays until the absolute expiry, for as long as any token of the session could be shown; a session that nobody
// refreshes goes soon after its idle expiry.
function purgeAtOf(session: Session): number {
  const absolute = session.absoluteExpirySeconds * 1000
  const idle = newestRotation(session) + session.idleTtlSeconds * 1000
  return (session.revokedAt === undefined ? Math.min(absolute, idle) : absolute) + purgeMarginMs
}
