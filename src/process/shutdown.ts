// The shutdown by SIGTERM and SIGINT: stop in good order; said twice, stop at once.
import type { FastifyBaseLogger } from 'fastify'

// Ctrl+C under npm arrives twice, from the terminal and from npm; only a later one is a person's second thought.
const sameSignalMs = 1000

/**
 * Listens to the signals that end a process.
 * @param log where the signal is named
 * @param stop begins the end in good order; called once
 * @param stopAtOnce called when somebody asks again
 */
export function onStopSignals(log: FastifyBaseLogger, stop: () => void, stopAtOnce: () => void): void {
  let stoppedAtMs: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (stoppedAtMs === undefined) {
      stoppedAtMs = performance.now()
      log.info({ signal }, 'stopping; requests in flight may finish')
      stop()
    } else if (performance.now() - stoppedAtMs > sameSignalMs) {
      log.error({ signal }, 'second signal: stopping at once')
      stopAtOnce()
    }
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}
