// Ends what is under way when the access token that let it in loses its force: revoked, or expired where the route cuts for
// it. A request pays nothing for it: everything under way is gone through when something was revoked, and now and then for
// what expires.
import type { FastifyInstance } from 'fastify'
import type { Upstreams, Watched } from './upstream/upstreams.ts'

// Revocations come in bursts; everything is gone through once for what came within so long.
const gatherMs = 5
// Also finds a request that was on its way from admission to being watched when its session was revoked.
const lookEveryMs = 1_000

/**
 * Begins to watch.
 * @returns ends it
 */
export function closeRevokedStreams(app: FastifyInstance, upstreams: Upstreams): () => void {
  let soon: NodeJS.Timeout | undefined
  const look = () => {
    clearTimeout(soon)
    soon = undefined
    for (const one of upstreams.underWay) cutIfLost(app, one)
  }
  app.tokenStatus.onRevoked(() => {
    soon ??= setTimeout(look, gatherMs).unref()
  })
  const regularly = setInterval(look, lookEveryMs).unref()
  return () => {
    clearInterval(regularly)
    clearTimeout(soon)
  }
}

function cutIfLost(app: FastifyInstance, one: Watched): void {
  const { access } = one
  if (access === null) return
  const tokenStatus = app.tokenStatus.of(access)
  if (tokenStatus === 'good' || (tokenStatus === 'expired' && !one.endsAtExpiry)) return
  one.end(tokenStatus)
  const { sub, sid, gen: generation } = access
  app.audit.record(undefined, { reason: 'stream_cut', granted: false, sub, sid, generation, detail: tokenStatus })
}
