// The process: config, store, demo upstream, app, first admin, listening, and the graceful end of all of them.
// Started by `npm start` and the image, never imported. It ends with one sentence, not a stack, where a person can mend the cause.
import { join, relative } from 'node:path'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { openEmbeddedStore } from '../plugins/session-store/embedded.ts'
import { StoreUnavailable } from '../plugins/session-store/store.ts'
import { buildApp } from './app.ts'
import { type BannerFacts, bannerLines } from './banner.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import { startDemoUpstream } from './demo-upstream.ts'
import { ensureFirstAdmin, makeDataDir, withSecret } from './development.ts'

const demoPrefix = '/demo'

try {
  await start()
} catch (error) {
  process.stderr.write(`${explain(error)}\n`)
  // What was opened may hold the process; nothing of it is in use yet.
  process.exit(1)
}

async function start(): Promise<void> {
  const loaded = withSecret(loadConfig())
  makeDataDir(loaded.dataDir)
  const store = openEmbeddedStore({ file: shortest(join(loaded.dataDir, 'cardea.db')) })
  const demo = loaded.production || loaded.routes.length > 0 ? undefined : await startDemoUpstream()
  const config = demo ? withDemoRoute(loaded, demo.url) : loaded
  const app = await buildApp(config, { store })
  if (demo) app.addHook('onClose', () => demo.close())
  const firstAdmin = await ensureFirstAdmin(store.users, config)
  await app.listen(config.listen)
  stopWithGrace(app, config.stopDelayMs)
  announce(app, {
    config,
    address: addressOf(app),
    store: store.description,
    firstAdmin,
    demoPrefix: demo && demoPrefix,
  })
}

// What people read in the banner: `data/cardea.db` where the data folder lies in this one.
function shortest(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere.startsWith('..') ? path : fromHere
}

function withDemoRoute(config: Config, upstream: string): Config {
  return { ...config, routes: [{ prefix: demoPrefix, upstream, policy: 'authenticated' }] }
}

function addressOf(app: FastifyInstance): BannerFacts['address'] {
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('The server does not listen on a port.')
  return address
}

// People read plain lines; whatever collects logs in production reads JSON objects, one a line.
function announce(app: FastifyInstance, facts: BannerFacts): void {
  const lines = bannerLines(facts)
  if (facts.config.production) for (const line of lines) app.log.info(line)
  else process.stdout.write(`${lines.join('\n')}\n`)
  for (const note of facts.config.notes) app.log.warn(note)
  if (facts.firstAdmin.outcome === 'missing') app.log.warn('There are no users, so nobody can sign in.')
}

// Ctrl+C under npm arrives twice, from the terminal and from npm; only a later one is a person's second thought.
const sameSignalMs = 1000

/**
 * Ends the process in good order: no new connections, requests in flight finish, then the store closes.
 * @param delayMs how long that may take; after it, and at a second signal, the process ends at once with exit code 1
 */
function stopWithGrace(app: FastifyInstance, delayMs: number): void {
  const grace = closeWithGrace({ delay: delayMs, logger: app.log, skip: ['SIGTERM', 'SIGINT'] }, async ({ err }) => {
    if (err) app.log.fatal({ err }, 'stopping after an error that nothing caught')
    await app.close()
  })
  let stoppedAtMs: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (stoppedAtMs === undefined) {
      stoppedAtMs = performance.now()
      app.log.info({ signal }, 'stopping; requests in flight may finish')
      grace.close()
    } else if (performance.now() - stoppedAtMs > sameSignalMs) {
      app.log.error({ signal }, 'second signal: stopping at once')
      process.exit(1)
    }
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

/** One sentence for what a person can mend; the stack only for what is our fault. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  if (!(error instanceof Error)) return `Cardea did not start: ${String(error)}`
  const code = 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') {
    return `Cardea did not start: ${listenAddress(error)} is in use; stop what listens there or choose another PORT.`
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return `Cardea did not start: it cannot listen on ${listenAddress(error)} (${code}); choose another HOST or PORT.`
  }
  if (error instanceof StoreUnavailable) return `Cardea did not start: the store cannot be used: ${reasonOf(error)}`
  return `Cardea did not start: ${error.stack ?? error.message}`
}

function listenAddress(error: Error): string {
  const host = 'address' in error ? String(error.address) : 'the address'
  return 'port' in error ? `${host}:${String(error.port)}` : host
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
