// A gateway that serves: the app on an open store, listening, its reloads, and its graceful end. A reload builds a new app
// beside the old one; it drops no request, and prints nothing.
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { stopListening } from '../../plugins/http-edge/node-internals.ts'
import { Totals } from '../../plugins/metrics/totals.ts'
import { reportNews } from '../../plugins/session-store/index.ts'
import type { StoreNews } from '../../plugins/session-store/port/condition.ts'
import type { Store } from '../../plugins/session-store/port/store.ts'
import { buildApp, closedUnless } from '../app.ts'
import type { Config } from '../config/index.ts'
import { DocumentSource, type Documents } from '../reload/openapi-documents.ts'
import { requireReloadable } from '../reload/restart-only.ts'
import { tellPrimary } from '../workers/metrics.ts'
import { reportConnections } from '../workers/rebalance.ts'
import { AppServer, type AppSlot } from './http-server.ts'
import { onStopSignals } from './shutdown.ts'

/** An app, and what it was built from. */
interface Generation {
  app: FastifyInstance
  side: AppSlot
  config: Config
  documents: Documents
  /** How often the store had been replaced when it was read. */
  replacements: number
}

interface OpenOptions {
  atClose?: (() => Promise<void>) | undefined
  socket?: Server | undefined
}

/** Apps that finish what they have under way; beyond it the oldest is ended at once. */
const maxRetired = 4
const maxFinalResponseWaitMs = 500
/** Until every worker has stopped accepting: a client that is told to leave before that might come back to one that is next. */
const maxDrainMs = 200
/** A service that has not given its document is asked again after 1, 2, 4 s and so on, up to this. */
const maxRetryMs = 30_000
const firstRetryMs = 1000

export class Gateway {
  readonly #store: Store
  readonly #server: AppServer
  readonly #source = new DocumentSource()
  /** A counter that falls would be read as a restart of the process. */
  readonly #totals = new Totals()
  /** Ends the wait of apps that are retired, the oldest first. */
  readonly #retired = new Map<Generation, AbortController>()
  readonly #closings = new Set<Promise<void>>()
  #current: Generation | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  #retryMs = firstRetryMs
  #isDraining = false
  #isStopping = false

  private constructor(config: Config, store: Store) {
    this.#store = store
    this.#server = new AppServer(config.limits)
    store.condition.onNews((news) => this.#hear(news))
  }

  /**
   * Builds the app, listens, and from then on ends in good order when the process is asked to.
   * @param store open; closed with the gateway
   * @param options.atClose what else ends with it
   * @param options.socket to listen on, where it is another process that opened it
   * @throws ConfigError for documents that are wrong; what buildApp and listening throw
   */
  static async open(config: Config, store: Store, { atClose, socket }: OpenOptions = {}): Promise<Gateway> {
    const gateway = new Gateway(config, store)
    const { app } = gateway.#activate(await gateway.#build(config, await gateway.#source.load(config.routes)))
    const { server } = gateway.#server
    await once(server.listen(socket ?? config.listen), 'listening')
    reportConnections(gateway.#server)
    stopWithGrace(app.log, config.drainMs + config.shutdownTimeoutMs, async (isAsked) => {
      if (isAsked) await gateway.#drain(config.drainMs)
      await gateway.#stop(config.shutdownTimeoutMs)
      await atClose?.()
    })
    return gateway
  }

  /** The log of the app that serves now. */
  get log(): FastifyBaseLogger {
    return this.#serving.app.log
  }

  /** Where it listens. */
  get address(): AddressInfo {
    const address = this.#server.server.address()
    if (address === null || typeof address === 'string') throw new Error('The server does not listen on a port.')
    return address
  }

  /** What Prometheus reads, of the app that serves now. */
  readMetrics(): Promise<string> {
    return this.#serving.app.metrics.text()
  }

  /** Every file that the routes are made from: documents and authorities. */
  get routeFiles(): readonly string[] {
    return this.#serving.documents.files
  }

  /**
   * Serves by another config: from its return on for every new request. What is under way ends as it began.
   * @throws ConfigError for what is wrong with it or cannot change now; then nothing has changed
   */
  async reload(config: Config): Promise<void> {
    await this.#inTurn(async () => {
      requireReloadable(this.#serving.config, config)
      this.#activate(await this.#build(config, await this.#source.load(config.routes)))
    })
  }

  /** Says from now on that it is not ready; it serves all the same. */
  beginDrain(): void {
    this.#isDraining = true
  }

  get #serving(): Generation {
    if (this.#current === undefined) throw new Error('The gateway is not open yet.')
    return this.#current
  }

  /** One after the other, whether the one before succeeds or not. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(act)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #build(config: Config, documents: Documents): Promise<Generation> {
    const side = this.#server.newSlot()
    const { replacements } = this.#store.condition
    let before = this.#current?.app
    const app = await buildApp(config, {
      store: this.#store,
      storeIsLent: true,
      documents: documents.compiled,
      totals: this.#totals,
      before: () => before,
      serverFactory: side.serverFactory,
      isStopping: () => this.#isDraining,
    })
    const generation = { app, side, config, documents, replacements }
    app.addHook('preClose', () => this.#closeServer(generation))
    await closedUnless(app, () => app.ready())
    // Apps that hold on to the one before them would all stay in memory.
    before = undefined
    return generation
  }

  #activate(next: Generation): Generation {
    const { app, config, documents, side } = next
    const before = this.#current
    this.#current = next
    this.#server.letIn(config.limits, config.trustedProxies)
    this.#server.serveBy(side)
    this.#totals.propagation.activate(app, Date.now())
    tellPrimary(app.metrics.registry)
    for (const note of documents.notes) app.log.warn(note)
    for (const { sentence } of documents.missing) app.log.warn(sentence)
    if (before !== undefined) this.#retire(before)
    clearTimeout(this.#retry)
    if (documents.missing.length === 0) this.#retryMs = firstRetryMs
    else this.#retryLater()
    return next
  }

  /** Closes an app that serves no longer once nothing of it is under way, or when its time is over. */
  #retire(generation: Generation): void {
    const over = new AbortController()
    this.#retired.set(generation, over)
    const [oldest] = this.#retired.values()
    if (this.#retired.size > maxRetired) oldest?.abort()
    const waited = delay(generation.config.reloadTimeoutMs, undefined, { ref: false, signal: over.signal })
    const closing = Promise.race([generation.side.idle, waited.catch(() => undefined)]).then(async () => {
      this.#retired.delete(generation)
      over.abort()
      await generation.app.close()
    })
    this.#closings.add(closing)
    closing.finally(() => this.#closings.delete(closing))
  }

  #hear(news: StoreNews): void {
    if (this.#current !== undefined) reportNews(this.#current.app, news)
    if (news.kind === 'replaced') void this.#inTurn(() => this.#startOver())
  }

  /** What the app that serves knows is of a store that is gone: another app reads all of it anew. */
  async #startOver(): Promise<void> {
    const current = this.#current
    if (this.#isStopping || current?.replacements === this.#store.condition.replacements) return
    const { config, documents } = this.#serving
    try {
      this.#activate(await this.#build(config, documents))
    } catch (err) {
      this.log.error({ err }, 'the store was replaced, and what it holds now cannot be read; trying again')
      setTimeout(() => void this.#inTurn(() => this.#startOver()), firstRetryMs).unref()
    }
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => void this.#inTurn(() => this.#retryDocuments()), this.#retryMs).unref()
    this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2)
  }

  async #retryDocuments(): Promise<void> {
    const { config, documents } = this.#serving
    if (this.#isStopping || documents.missing.length === 0) return
    try {
      const found = await this.#source.loadMissing(config.routes, documents)
      if (found === undefined) this.#retryLater()
      else this.#activate(await this.#build(config, found))
    } catch (error) {
      this.log.warn({ err: error }, 'the documents of services could not be asked for again')
      this.#retryLater()
    }
  }

  // Whoever balances learns by its next question that this node is not ready, and until then sends requests that are served.
  async #drain(drainMs: number): Promise<void> {
    this.beginDrain()
    if (drainMs > 0) await delay(drainMs)
  }

  async #stop(shutdownTimeoutMs: number): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#retry)
    const { server } = this.#server
    const drained = this.#drained()
    // Idle connections stay for now; they are closed at the end.
    if (server.listening) stopListening(server)
    await Promise.race([drained, delay(Math.min(maxDrainMs, shutdownTimeoutMs / 4))])
    await this.#turn
    await this.#serving.app.close()
    for (const over of this.#retired.values()) over.abort()
    await Promise.all(this.#closings)
    await this.#store.close()
  }

  // Fastify has now begun to say on every response that it is the connection's last (RFC 9112 section 9.6): a client that is quick
  // gets its response, and no request goes into a connection that is being closed. Then all that is under way ends.
  async #closeServer(generation: Generation): Promise<void> {
    if (!this.#isStopping || generation !== this.#current) return
    const drained = this.#drained()
    await Promise.race([drained, delay(Math.min(maxFinalResponseWaitMs, generation.config.shutdownTimeoutMs / 4))])
    this.#server.server.close()
    await drained
  }

  #drained(): Promise<unknown> {
    const { server } = this.#server
    return this.#server.isOver ? Promise.resolve() : once(server, 'close')
  }
}

/**
 * Ends the process in good order: it drains, takes no new connections, lets requests in flight finish, and closes the store.
 * @param delayMs how long that may take; after it, and at a second signal, the process ends at once with exit code 1
 * @param stop does it; whether somebody asked for it, else it is a failure, and there is nothing to wait for
 */
function stopWithGrace(log: FastifyBaseLogger, delayMs: number, stop: (isAsked: boolean) => Promise<void>): void {
  const grace = closeWithGrace(
    { delay: delayMs, logger: log, skip: ['SIGTERM', 'SIGINT', 'SIGHUP'] },
    async ({ err }) => {
      if (err) log.fatal({ err }, 'stopping after an error that nothing caught')
      await stop(err === undefined)
    },
  )
  onStopSignals(
    log,
    () => grace.close(),
    () => process.exit(1),
  )
}
