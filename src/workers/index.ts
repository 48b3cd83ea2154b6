// Several processes behind one port (CARDEA_WORKERS): the primary holds it, all workers accept from it, and the primary replaces
// workers that end, and renews or stops them in good order. The primary itself must never serve a request.
import cluster, { type Worker } from 'node:cluster'
import { on, once } from 'node:events'
import type { Server } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config/index.ts'
import { bindSocket, type ListeningSocket } from '../process/listening-socket.ts'
import { openLog } from '../process/log.ts'
import { onStopSignals } from '../process/shutdown.ts'
import { DocumentSource } from '../reload/openapi-documents.ts'
import { requireReloadable } from '../reload/restart-only.ts'
import { Reloading } from '../reload/watch.ts'
import { rebalance } from './rebalance.ts'

/** No worker came up; what it said stands on standard error. */
export class WorkersError extends Error {}

/** A gateway that is up. */
export interface Serving {
  log: FastifyBaseLogger
  /** Where it really listens. */
  address: { address: string; port: number }
}

/** A worker that ends again and again is started again after 0, 100, 200, 400 ms and so on, up to this. */
const maxBackOffMs = 10_000
const firstBackOffMs = 100
/** A worker that lived so long was not ended by how it was started. */
const steadyMs = 30_000
/** How much longer than its own delay a worker may take to stop: then it hangs, and is killed. */
const killAfterMs = 5000

/**
 * Starts the workers and keeps them up until this process is told to stop. SIGUSR2 renews them one by one, under a config
 * that is read anew; a config with a mistake leaves everything as it is.
 * @param config checked; each worker gets it as it is
 * @param reload gives the config of renewed workers
 * @returns once all have been given the time to come up
 * @throws WorkersError when the first one does not come up
 */
export async function superviseWorkers(config: Config, reload: () => Config): Promise<Serving> {
  const log = openLog(config.logLevel)
  // All accept from one queue: a worker that is killed or leaves takes no waiting connection with it, and one that is busy gets
  // none. Where the primary hands connections round, one that a killed worker had not answered for would hang for ever.
  const workers = new Workers(config, log, await bindSocket(config.listen))
  const address = await workers.start()
  rebalance(() => workers.kept)
  onStopSignals(
    log,
    () => workers.stop(),
    () => workers.stopAtOnce(),
  )
  const reloading = Reloading.start({
    log: () => log,
    files: () => workers.files,
    read: reload,
    use: (config) => workers.reload(config),
  })
  process.on('SIGUSR2', () => void workers.renew(() => reloading.readWhole()))
  return { log, address }
}

/** What a worker serves with. */
export interface Reloadable {
  /** @throws Error that says why nothing has changed */
  reload(config: Config): Promise<void>
  /** Says from now on that this node is not ready. */
  beginDrain(): void
}

/**
 * In a worker: serves by the config that the primary has checked, and by every other one that it reads later.
 * @param open begins to serve, on the socket of the primary
 */
export async function serveAsWorker(open: (config: Config, socket: Server) => Promise<Reloadable>): Promise<void> {
  // Sent to all processes of a terminal; it is the primary that reloads.
  process.on('SIGHUP', () => undefined)
  // What arrives while the gateway opens waits here.
  const messages = on(process, 'message')
  // Boundary: the primary sends configs and, later, the questions of workers/metrics.ts.
  const configs = messages as AsyncIterableIterator<[{ config: Config }, Server]>
  const { value: first } = await configs.next()
  const gateway = await open(first[0].config, first[1])
  process.send?.({ isListening: true })
  void respondToReloads(configs, gateway)
}

async function respondToReloads(
  messages: AsyncIterable<[{ config?: Config; isDraining?: true }, ...unknown[]]>,
  gateway: Reloadable,
): Promise<void> {
  for await (const [{ config, isDraining }] of messages) {
    if (isDraining === true) gateway.beginDrain()
    if (config === undefined) continue
    const reloaded = await gateway.reload(config).then(
      () => 'done',
      (error) => (error instanceof Error ? error.message : String(error)),
    )
    process.send?.({ reloaded })
  }
}

interface Started {
  worker: Worker
  /** Rejects with WorkersError when it ends before it listens. */
  listening: Promise<void>
}

class Workers {
  #config: Config
  readonly #log: FastifyBaseLogger
  readonly #socket: ListeningSocket
  /** The workers that are replaced when they end. */
  readonly #kept = new Set<Worker>()
  #routeFiles: readonly string[] = []
  readonly #backOffs = new Set<NodeJS.Timeout>()
  #endings = 0
  #isRenewing = false
  #isStopping = false
  #exitCode = 0

  constructor(config: Config, log: FastifyBaseLogger, socket: ListeningSocket) {
    this.#config = config
    this.#log = log
    this.#socket = socket
  }

  /** The first one alone: what keeps it from starting is said once, not once a worker. */
  async start(): Promise<Serving['address']> {
    const first = this.#fork(this.#config)
    await first.listening
    this.#keep(first.worker)
    const others = Array.from({ length: this.#config.workers - 1 }, () => this.#startKept())
    await Promise.allSettled(others)
    return this.#socket.address
  }

  /** Those that are replaced when they end. */
  get kept(): Iterable<Worker> {
    return this.#kept
  }

  /** What the config was read from. */
  get files(): readonly string[] {
    return [this.#config.file, ...this.#routeFiles]
  }

  /**
   * Hands every worker another config, under which it serves from then on.
   * @throws ConfigError when it cannot be used; Error with what workers say that could not
   */
  async reload(config: Config): Promise<void> {
    requireReloadable(this.#config, config)
    this.#routeFiles = (await new DocumentSource().load(config.routes)).files
    this.#config = config
    const responses = await Promise.all([...this.#kept].map((worker) => reloadOf(worker, config)))
    const refused = responses.filter((response) => response !== 'done')
    if (refused.length > 0) throw new Error([...new Set(refused)].join('\n'))
  }

  /** Replaces every worker by a new one, one after the other: each stops only when its successor listens. */
  async renew(read: () => Promise<Config>): Promise<void> {
    if (this.#isRenewing || this.#isStopping) return
    this.#isRenewing = true
    try {
      // The port stays: it is this process that listens.
      const config = { ...(await read()), listen: this.#config.listen }
      for (const old of [...this.#kept]) await this.#replace(old, config)
      this.#log.info('all workers are renewed')
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      this.#log.error({ detail }, 'workers that are not renewed yet stay as they are')
    } finally {
      this.#isRenewing = false
    }
  }

  /**
   * All at once: they drain together, requests in flight finish, then this process ends, with 1 if a worker had to be cut short.
   */
  stop(): void {
    this.#isStopping = true
    for (const worker of living()) worker.send({ isDraining: true })
    setTimeout(() => this.#stopDrained(), this.#config.drainMs)
  }

  #stopDrained(): void {
    // The port is closed when the last worker has let go of it, too.
    this.#socket.close()
    for (const backOff of this.#backOffs) clearTimeout(backOff)
    for (const worker of living()) end(worker, this.#config.shutdownTimeoutMs)
    this.#exitIfAlone()
  }

  /** A second signal: the workers end as they are. */
  stopAtOnce(): void {
    for (const worker of living()) worker.process.kill('SIGKILL')
    process.exit(1)
  }

  async #replace(old: Worker, config: Config): Promise<void> {
    const successor = this.#fork(config)
    await successor.listening
    this.#config = config
    this.#keep(successor.worker)
    this.#kept.delete(old)
    if (old.isDead()) return
    const exited = once(old, 'exit')
    end(old, config.shutdownTimeoutMs)
    await exited
  }

  #fork(config: Config): Started {
    const worker = cluster.fork()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    worker.on('message', (message) => {
      // Boundary: what `serveAsWorker` sends, among what others do.
      if ((message as { isListening?: true }).isListening) resolve()
    })
    worker.once('exit', (code, signal) => {
      reject(new WorkersError(`a worker ended before it listened (${signal ?? `exit code ${code}`}).`))
      this.#onExit(worker, code, signal)
    })
    // A worker that is gone before it was told anything says so by its exit.
    worker.on('error', () => undefined)
    // One that is renewed shares its port with others that go on: it has nothing to tell a balancer.
    worker.send({ config: { ...config, drainMs: 0 } }, this.#socket.handle)
    return { worker, listening: promise }
  }

  #keep(worker: Worker): void {
    if (worker.isDead()) this.#startAgain()
    else this.#kept.add(worker)
  }

  async #startKept(): Promise<void> {
    const { worker, listening } = this.#fork(this.#config)
    this.#kept.add(worker)
    const steady = setTimeout(() => {
      this.#endings = 0
    }, steadyMs).unref()
    worker.once('exit', () => clearTimeout(steady))
    await listening
  }

  #onExit(worker: Worker, code: number | null, signal: string | null): void {
    if (this.#isStopping) {
      // One that was told before it could listen to signals ends by the signal itself.
      if (code !== 0 && signal !== 'SIGTERM') this.#exitCode = 1
      this.#exitIfAlone()
    } else if (this.#kept.delete(worker)) {
      this.#log.error({ worker: worker.process.pid, code, signal }, 'a worker ended; another one is started')
      this.#startAgain()
    }
  }

  #startAgain(): void {
    const delayMs = this.#endings === 0 ? 0 : Math.min(maxBackOffMs, firstBackOffMs * 2 ** (this.#endings - 1))
    this.#endings += 1
    const backOff = setTimeout(() => {
      this.#backOffs.delete(backOff)
      this.#startKept().catch(() => undefined)
    }, delayMs)
    this.#backOffs.add(backOff)
  }

  #exitIfAlone(): void {
    if (living().length === 0) process.exit(this.#exitCode)
  }
}

// One that is gone is replaced by another, which begins with the newest config.
function reloadOf(worker: Worker, config: Config): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const onMessage = (message: unknown) => {
    // Boundary: the response of `serveAsWorker`.
    const { reloaded } = message as { reloaded?: string }
    if (reloaded !== undefined) resolve(reloaded)
  }
  const onExit = () => resolve('done')
  worker.on('message', onMessage).once('exit', onExit)
  worker.send({ config: { ...config, drainMs: 0 } })
  return promise.finally(() => worker.off('message', onMessage).off('exit', onExit))
}

function living(): Worker[] {
  return Object.values(cluster.workers ?? {}).flatMap((worker) => (worker && !worker.isDead() ? [worker] : []))
}

// SIGTERM, and if the worker does not even end itself after its delay, SIGKILL.
function end(worker: Worker, shutdownTimeoutMs: number): void {
  worker.process.kill('SIGTERM')
  const kill = setTimeout(() => worker.process.kill('SIGKILL'), shutdownTimeoutMs + killAfterMs)
  worker.once('exit', () => clearTimeout(kill))
}
