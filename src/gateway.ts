// A gateway that serves: the app on an open store, listening, and its graceful end. Called by the process, once, and by each
// worker where there are several. It prints nothing but the log.
import { Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import type { Store } from '../plugins/session-store/store.ts'
import { buildApp } from './app.ts'
import type { Config } from './config.ts'
import { onStopSignals } from './stop-signals.ts'

/**
 * Builds the app, listens, and from then on ends in good order when it is asked to.
 * @param store open; closed with the app
 * @param atClose what else ends with the app
 * @returns the app, listening
 * @throws what buildApp and listening throw
 */
export async function serve(config: Config, store: Store, atClose?: () => Promise<void>): Promise<FastifyInstance> {
  const app = await buildApp(config, { store })
  if (atClose) app.addHook('onClose', atClose)
  const drained = new Promise<void>((resolve) => app.server.once('close', resolve))
  const farewellMs = Math.min(longestFarewellMs, config.stopDelayMs / 4)
  // Fastify has now begun to say on every answer that it is the connection's last (RFC 9112 section 9.6), and is about to
  // close what is idle: a client that is quick gets its answer, and no request goes into a connection that is being closed.
  app.addHook('preClose', () => Promise.race([drained, delay(farewellMs)]))
  await app.listen(config.listen)
  stopWithGrace(app, config.stopDelayMs, async () => {
    stopAccepting(app.server)
    await Promise.race([drained, delay(Math.min(longestSettlingMs, config.stopDelayMs / 4))])
    await app.close()
  })
  return app
}

const longestFarewellMs = 500
/** Until every worker has stopped accepting: a client that is told to leave before that might come back to one that is next. */
const longestSettlingMs = 200

function stopAccepting(server: Server): void {
  // Not the close of node:http, which closes idle connections at once; Fastify calls that one at the end.
  if (server.listening) Server.prototype.close.call(server)
}

/**
 * Ends the process in good order: no new connections, requests in flight finish, then the store closes.
 * @param delayMs how long that may take; after it, and at a second signal, the process ends at once with exit code 1
 * @param stop does it
 */
function stopWithGrace(app: FastifyInstance, delayMs: number, stop: () => Promise<void>): void {
  const grace = closeWithGrace({ delay: delayMs, logger: app.log, skip: ['SIGTERM', 'SIGINT'] }, async ({ err }) => {
    if (err) app.log.fatal({ err }, 'stopping after an error that nothing caught')
    await stop()
  })
  onStopSignals(
    app.log,
    () => grace.close(),
    () => process.exit(1),
  )
}
