// The process: config, store, first admin, demo upstream, and a gateway that serves, or workers that do.
// Started by `npm start` and the image, never imported. It ends with one sentence, not a stack, where a person can mend the cause.
import cluster from 'node:cluster'
import { KeyUnopenable } from '../plugins/keys/sealed-key.ts'
import { type Store, StoreUnavailable } from '../plugins/session-store/port/store.ts'
import { TracingUnavailable } from '../plugins/tracing/index.ts'
import { type Config, ConfigError, loadConfig } from './config/index.ts'
import { announce } from './process/banner.ts'
import { type DemoUpstream, startDemoUpstream } from './process/demo-upstream.ts'
import { makeDataDir, prepareFirstAdmin, withSecret } from './process/first-start.ts'
import { Gateway } from './process/gateway.ts'
import { openLog } from './process/log.ts'
import { listenForMetrics } from './process/metrics-listener.ts'
import { openStore, StoreRejected } from './process/open-store.ts'
import { Reloading } from './reload/watch.ts'
import { type Serving, serveAsWorker, superviseWorkers, WorkersError } from './workers/index.ts'
import { metricsOfWorkers } from './workers/metrics.ts'

const demoPrefix = '/demo'

/** Errors whose message says what to do. */
const namedCauses = [StoreRejected, KeyUnopenable, WorkersError, TracingUnavailable]

try {
  await (cluster.isPrimary ? start() : startAsWorker())
} catch (error) {
  process.stderr.write(`${explain(error)}\n`)
  // What was opened may hold the process; nothing of it is in use yet.
  process.exit(1)
}

async function start(): Promise<void> {
  const loaded = readConfig()
  const store = await openStore(loaded, {
    isToServe: true,
    onWarning: (sentence) => loaded.notes.push(sentence),
    onWait: (sentence) => openLog(loaded.logLevel).warn(sentence),
  })
  const demo = loaded.production || loaded.routes.length > 0 ? undefined : await startDemoUpstream()
  const config = withDemo(loaded, demo)
  const addFirstAdmin = await prepareFirstAdmin(store.users, config)
  const readAgain = () => withDemo(readConfig(), demo)
  const { log, address } = await (config.workers === 1
    ? serveAlone(config, store, readAgain, demo)
    : serveByWorkers(config, readAgain))
  const facts = { config, address, store: store.description, demoPrefix: demo && demoPrefix }
  announce(log, { ...facts, firstAdmin: await addFirstAdmin() })
  // The workers have opened it for themselves.
  if (config.workers > 1) await store.close()
}

async function serveAlone(
  config: Config,
  store: Store,
  readAgain: () => Config,
  demo: DemoUpstream | undefined,
): Promise<Serving> {
  const gateway = await Gateway.open(config, store, { atClose: demo && (() => demo.close()) })
  let newest = config
  Reloading.start({
    log: () => gateway.log,
    files: () => [newest.file, ...gateway.routeFiles],
    read: readAgain,
    use: async (read) => {
      await gateway.reload(read)
      newest = read
      for (const note of read.notes) gateway.log.warn(note)
    },
  })
  await openMetrics(config, () => gateway.readMetrics())
  return { log: gateway.log, address: gateway.address }
}

async function serveByWorkers(config: Config, readAgain: () => Config): Promise<Serving> {
  const serving = await superviseWorkers(config, readAgain)
  await openMetrics(config, metricsOfWorkers())
  return serving
}

async function openMetrics({ metrics }: Config, read: () => Promise<string>): Promise<void> {
  if (metrics.listen !== undefined) await listenForMetrics(metrics.listen, read)
}

function readConfig(): Config {
  const config = withSecret(loadConfig())
  // With Redis nothing is kept in this folder, which may not even be writable.
  if (config.redisUrl === undefined) makeDataDir(config.dataDir)
  return config
}

// What can be wrong has been checked, and said, by the process that started this one.
async function startAsWorker(): Promise<void> {
  await serveAsWorker(async (config, socket) => Gateway.open(config, await openStore(config), { socket }))
}

// Until there is something else behind the gateway.
function withDemo(config: Config, demo: DemoUpstream | undefined): Config {
  if (demo === undefined || config.routes.length > 0) return config
  return { ...config, routes: [{ prefix: demoPrefix, upstream: demo.url, policy: 'authenticated' }] }
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
  if (namedCauses.some((kind) => error instanceof kind)) {
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
