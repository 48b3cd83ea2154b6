// The process: config, store, first admin, demo upstream, and a gateway that serves, or workers that do.
// Started by `npm start` and the image, never imported. It ends with one sentence, not a stack, where a person can mend the cause.
import cluster from 'node:cluster'
import type { Server } from 'node:net'
import { KeyUnopenable } from '../plugins/session-store/sealed-key.ts'
import { type Store, StoreUnavailable } from '../plugins/session-store/store.ts'
import { announce } from './banner.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import { type DemoUpstream, startDemoUpstream } from './demo-upstream.ts'
import { makeDataDir, prepareFirstAdmin, withSecret } from './development.ts'
import { serve } from './gateway.ts'
import { openStore, StoreRefusal } from './open-store.ts'
import { configOfWorker, type Serving, superviseWorkers, WorkersError } from './workers.ts'

const demoPrefix = '/demo'

try {
  await (cluster.isPrimary ? start() : startAsWorker())
} catch (error) {
  process.stderr.write(`${explain(error)}\n`)
  // What was opened may hold the process; nothing of it is in use yet.
  process.exit(1)
}

async function start(): Promise<void> {
  const loaded = readConfig()
  const store = await openStore(loaded, { onWarning: (sentence) => loaded.notes.push(sentence) })
  const demo = loaded.production || loaded.routes.length > 0 ? undefined : await startDemoUpstream()
  const config = demo ? withDemoRoute(loaded, demo.url) : loaded
  const addFirstAdmin = await prepareFirstAdmin(store.users, config)
  const { log, address } = await (config.workers === 1
    ? serveAlone(config, store, demo)
    : superviseWorkers(config, () => (demo ? withDemoRoute(readConfig(), demo.url) : readConfig())))
  const facts = { config, address, store: store.description, demoPrefix: demo && demoPrefix }
  announce(log, { ...facts, firstAdmin: await addFirstAdmin() })
  // The workers have opened it for themselves.
  if (config.workers > 1) await store.close()
}

async function serveAlone(config: Config, store: Store, demo: DemoUpstream | undefined): Promise<Serving> {
  const app = await serve(config, store, demo && (() => demo.close()))
  return { log: app.log, address: addressOf(app.server.address()) }
}

function readConfig(): Config {
  const config = withSecret(loadConfig())
  // With Redis nothing is kept in this folder, which may not even be writable.
  if (config.redisUrl === undefined) makeDataDir(config.dataDir)
  return config
}

// What can be wrong has been judged, and said, by the process that started this one.
async function startAsWorker(): Promise<void> {
  const config = await configOfWorker()
  await serve(config, await openStore(config))
}

function withDemoRoute(config: Config, upstream: string): Config {
  return { ...config, routes: [{ prefix: demoPrefix, upstream, policy: 'authenticated' }] }
}

function addressOf(address: ReturnType<Server['address']>): Serving['address'] {
  if (address === null || typeof address === 'string') throw new Error('The server does not listen on a port.')
  return address
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
  if (error instanceof StoreRefusal || error instanceof KeyUnopenable || error instanceof WorkersError) {
    return `Cardea did not start: ${error.message}`
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
