// The sessions whose cookies a request shows: one as a rule, two where a late response about an old one came after those of a
// sign-in. A response sets and clears only the cookies of the session it is about; the browser's place for them tells which.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  type CookiePlace,
  clearCookies,
  cookiePlaces,
  type PresentedPlace,
  presentedPlaces,
} from '../browser/cookies.ts'
import type { RefreshTokenClaims } from '../session-store/refresh-token.ts'

/**
 * What a request shows, the newest session first. A sign-in ends what it follows, so the last rotation of the older session came
 * before the first one of the newer. Only where both fell into one second the store is asked which of them lives.
 * @throws Problem `invalid_request` when there are two refresh cookies of one name
 * @throws StoreUnavailable
 */
export async function presentedSessions(app: FastifyInstance, request: FastifyRequest): Promise<PresentedPlace[]> {
  const presented = presentedPlaces(request)
  const [one, other] = presented
  // One is the rule, and a refresh reads its token anyway.
  if (one === undefined || other === undefined) return presented
  const claims = claimsOf(app, one)
  const secondsLater = issuedAt(claimsOf(app, other)) - issuedAt(claims)
  const isOtherNewer = secondsLater === 0 ? !(await isAlive(app, claims)) : secondsLater > 0
  return isOtherNewer ? [other, one] : [one, other]
}

/**
 * Ends the sessions that a request shows, at a sign-in (ASVS 7.2.4). Whosever they are: nobody holds their cookies afterwards,
 * and a late response must not bring one back that lives.
 * @throws StoreUnavailable
 */
export async function endPresented(
  app: FastifyInstance,
  request: FastifyRequest,
  presented: readonly PresentedPlace[],
  sub: string,
): Promise<void> {
  for (const one of presented) {
    const claims = claimsOf(app, one)
    if (claims === undefined) continue
    await app.sessions.end(claims.sid, 'logout', request, app.sessions.isOf(claims.sid, sub) ? sub : undefined)
  }
}

/**
 * Finds the place for the cookies of a session that begins, and clears the others that came along. Responses about what came
 * along may be on their way, so it is one that did not; where both came, that of the older session.
 */
export function placeOfNew(reply: FastifyReply, presented: readonly PresentedPlace[]): CookiePlace {
  const free = cookiePlaces.find((place) => presented.every((one) => one.place !== place))
  const place = free ?? presented.at(-1)?.place ?? cookiePlaces[0]
  for (const one of presented) if (one.place !== place) clearCookies(reply, one.place)
  return place
}

// What the refresh token says; undefined without one that is ours.
function claimsOf(app: FastifyInstance, { refreshToken }: PresentedPlace): RefreshTokenClaims | undefined {
  return refreshToken === undefined ? undefined : app.sessions.claimsOf(refreshToken)
}

function issuedAt(claims: RefreshTokenClaims | undefined): number {
  return claims?.issuedAtSeconds ?? 0
}

async function isAlive(app: FastifyInstance, claims: RefreshTokenClaims | undefined): Promise<boolean> {
  const session = claims && (await app.sessions.read(claims.sid))
  return session !== undefined && session.revokedAt === undefined
}
