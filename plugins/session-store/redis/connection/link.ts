// One connection to Redis on which nothing hangs: every command is answered, or refused with StoreUnavailable, before its
// deadline. It must never send a command after it was refused; one that was sent before may have been carried out, which
// every verb allows for.
import { Cluster, Redis } from 'ioredis'
import { StoreUnavailable } from '../../port/store.ts'
import { VerbLatency } from '../../verb-latency.ts'
import { RedisCalls } from '../calls.ts'
import { type Argument, isNoScript, type Script } from '../scripts.ts'
import { misplacement } from '../start/checks.ts'
import type { RedisAddress } from './address.ts'
import { createClient, type RedisClient } from './client.ts'
import { type Deadline, Deadlines } from './deadline.ts'
import type { RedisGate } from './gate.ts'

export type { Argument } from '../scripts.ts'

export interface LinkOptions {
  /** How long a command may take, waiting for a connection included, ms. */
  deadlineMs: number
  /** Commands that may be under way; more are refused at once. */
  commandLimit: number
  /** Refuses commands while it is closed. */
  gate?: RedisGate
  /** Hears that a response came to a call that was not its own. */
  onMisled?: () => void
}

/** How soon a connection to a database that is refused is tried again, ms. */
const placeAgainMs = 250

export class RedisLink {
  /** Every server is of Redis 7 or newer: scripts may say that they run though memory is full. */
  knowsScriptFlags = false
  readonly #client: RedisClient
  readonly #options: LinkOptions
  /** Of the verbs that this link has run. */
  readonly latency = new VerbLatency()
  readonly #calls = new RedisCalls(this.latency, () => this.#mislead())
  /** The one that REDIS_URL names; a Cluster has one only. */
  readonly #database: number
  readonly #connecting: Deadlines
  readonly #underWay: Deadlines
  readonly #readyListeners: (() => void)[] = []
  #lastError: Error | undefined
  /** The connection is in the database it should be in. */
  #isPlaced = false
  /** Something was answered since a command was given up last. */
  #isHeard = false
  #suspicion: NodeJS.Timeout | undefined
  /** What is sent in this turn of the event loop. */
  #leaving: Deadline<unknown>[] = []
  #isClosed = false

  constructor(address: RedisAddress, options: LinkOptions) {
    this.#options = options
    this.#database = address.form === 'cluster' ? 0 : address.db
    this.#client = createClient(address, 2 * options.deadlineMs)
    const late = (timeoutMs: number) => this.#unavailable(`no response within ${Math.round(timeoutMs)} ms`)
    this.#connecting = new Deadlines(late)
    this.#underWay = new Deadlines(late)
    this.#client.on('error', (error: Error) => {
      this.#lastError = error
    })
    this.#client.on('close', () => {
      this.#isPlaced = false
      this.#trust()
    })
    this.#client.on('ready', () => void this.#place())
  }

  /** Calls `listener` each time the link has come up: it may have come up to another server than before. */
  onReady(listener: () => void): void {
    this.#readyListeners.push(listener)
  }

  /** The ioredis client, for what only the start-up checks ask. */
  get client(): RedisClient {
    return this.#client
  }

  get deadlineMs(): number {
    return this.#options.deadlineMs
  }

  /**
   * Runs a verb.
   * @param keys all in one slot; `isPastGate`: while the gate is closed, too
   * @returns the reply, texts as Buffers
   * @throws StoreUnavailable
   */
  run(
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
    deadlineMs = this.#options.deadlineMs,
    isPastGate = false,
  ): Promise<unknown> {
    const known = (this.knowsScriptFlags && script.whenFull) || script
    return this.#calls.run(known, keys, args, deadlineMs, (name, given, restMs) =>
      this.command(name, given, restMs, isPastGate ? () => this.#client.callBuffer(name, [...given]) : undefined),
    )
  }

  /**
   * Sends one command.
   * @param deadlineMs how long it may take; a blocking command's own wait comes on top
   * @param send hands it to the client, past the gate; by default to the primary of its key, while the gate is open
   * @throws StoreUnavailable
   */
  async command(
    name: string,
    args: readonly Argument[],
    deadlineMs = this.#options.deadlineMs,
    send?: () => Promise<unknown>,
  ): Promise<unknown> {
    this.#assertRoom()
    const problem = send === undefined ? this.#options.gate?.problem : undefined
    if (problem !== undefined) throw this.#unavailable(problem)
    const sendNow = send ?? (() => this.#client.callBuffer(name, [...args]))
    if (this.#isReady) return this.#send(sendNow, deadlineMs)
    const startedAt = performance.now()
    await this.#untilReady(deadlineMs)
    return this.#send(sendNow, deadlineMs - (performance.now() - startedAt))
  }

  /**
   * Sends one command to every primary: to the one there is, or in a Cluster to all that are known and `isMeant`.
   * @returns what each answered, by its address; undefined for those that did not in time
   */
  async commandPrimaries(
    name: string,
    args: readonly Argument[],
    deadlineMs = this.#options.deadlineMs,
    isMeant: (address: string) => boolean = () => true,
  ): Promise<Map<string, unknown>> {
    const responses = [...this.#primaries()]
      .filter(([address]) => isMeant(address))
      .map(async ([address, client]) => {
        const send = () => client.callBuffer(name, [...args])
        return [address, await this.command(name, args, deadlineMs, send).catch(() => undefined)] as const
      })
    return new Map(await Promise.all(responses))
  }

  /**
   * Waits for what must come true before a command may be sent; it counts as a command under way.
   * @throws StoreUnavailable when it does not come true in time
   */
  async until(isTrue: Promise<unknown>, deadlineMs: number): Promise<void> {
    this.#assertRoom()
    const deadline = this.#underWay.add<void>(deadlineMs)
    deadline.start()
    const meet = () => deadline.meet()
    isTrue.then(meet, meet)
    await deadline.promise
  }

  /** @throws StoreUnavailable when the link does not come up in time; it goes on trying */
  async open(timeoutMs: number): Promise<void> {
    if (!this.#isReady) await this.#untilReady(timeoutMs)
  }

  /** @throws StoreUnavailable when the link was closed */
  assertOpen(): void {
    if (this.#isClosed) throw this.#unavailable('the store is closed')
  }

  /** Drops the connection; whatever is under way is refused. */
  close(): void {
    this.#isClosed = true
    this.#client.disconnect()
    this.#trust()
    for (const deadlines of [this.#connecting, this.#underWay])
      deadlines.refuseAll(this.#unavailable('the store is closed'))
  }

  /** Connects anew, because the address may lead to another server by now. A Cluster says by itself who serves a slot. */
  reconnect(): void {
    if (this.#client instanceof Redis && this.#isReady) this.#client.disconnect(true)
  }

  #primaries(): Map<string, RedisClient> {
    const client = this.#client
    if (!(client instanceof Cluster)) return new Map([['primary', client]])
    return new Map(client.nodes('master').map((node) => [`${node.options.host}:${node.options.port}`, node]))
  }

  #assertRoom(): void {
    this.assertOpen()
    if (this.#connecting.size + this.#underWay.size < this.#options.commandLimit) return
    throw this.#unavailable(`${this.#options.commandLimit} commands are under way already`)
  }

  #send(send: () => Promise<unknown>, deadlineMs: number): Promise<unknown> {
    const deadline = this.#underWay.add<unknown>(deadlineMs, () => this.#suspect())
    this.#gather(deadline)
    send().then(
      (reply) => {
        this.#isHeard = true
        deadline.meet(reply)
      },
      (error: Error) => {
        this.#isHeard = true
        deadline.refuse(this.#unavailable(error.message, error))
        // A Cluster's node that closed or refused may have lost its slots.
        if (this.#client instanceof Cluster && !isNoScript(error)) this.#client.refreshSlotsCache()
      },
    )
    return deadline.promise
  }

  // What is sent in one turn of the event loop leaves in one write: a system call for each command was a fifth of a refresh.
  // Deadlines begin when it leaves: the turn may be long, and what was refused must not leave afterwards.
  #gather(deadline: Deadline<unknown>): void {
    if (this.#leaving.push(deadline) > 1) return
    const client = this.#client
    const clients = client instanceof Cluster ? client.nodes() : [client]
    // A Cluster's node has no stream before it is first needed.
    const streams = clients.map(({ stream }) => stream).filter(Boolean)
    for (const stream of streams) stream.cork()
    setImmediate(() => {
      for (const stream of streams) stream.uncork()
      for (const left of this.#leaving) left.start()
      this.#leaving = []
    })
  }

  // A connection that is being given up still calls itself ready.
  get #isReady(): boolean {
    const client = this.#client
    return this.#isPlaced && client.status === 'ready' && (client instanceof Cluster || client.stream.writable)
  }

  #untilReady(timeoutMs: number): Promise<void> {
    const deadline = this.#connecting.add<void>(timeoutMs, () => this.#dropHalfOpen())
    deadline.start()
    // 'wait': never connected; 'end': an attempt failed that ioredis does not repeat, such as no sentinel being there.
    if (this.#client.status === 'wait' || this.#client.status === 'end') this.#client.connect().catch(() => undefined)
    return deadline.promise
  }

  // ioredis goes on in database 0 when the one it asked for is refused. What a connection says of itself is believed, and
  // nothing is sent before it has said so.
  async #place(): Promise<void> {
    const client = this.#client
    if (this.#database !== 0 && client instanceof Redis) {
      const { stream } = client
      const problem = await misplacement(client, this.#database)
      if (stream !== client.stream || client.status !== 'ready') return
      if (problem !== undefined) return this.#refuseThere(client, problem)
    }
    this.#lastError = undefined
    this.#isPlaced = true
    this.#connecting.meetAll()
    for (const listener of this.#readyListeners) listener()
  }

  #refuseThere(client: Redis, problem: string): void {
    this.#lastError = new Error(problem)
    this.#connecting.refuseAll(this.#unavailable(problem))
    setTimeout(() => client.disconnect(true), placeAgainMs).unref()
  }

  // A command was given up. Its connection may be dead without a word (a cable, a failover), or Redis is slow: if nothing at all
  // is heard for as long again, a new connection finds out. A Cluster has many, which are given up one by one
  // (`socketTimeout`); there the slots may have moved.
  #suspect(): void {
    if (this.#client instanceof Cluster) this.#client.refreshSlotsCache()
    if (this.#client instanceof Cluster || this.#suspicion !== undefined || !this.#isReady) return
    this.#isHeard = false
    this.#suspicion = setTimeout(() => {
      this.#suspicion = undefined
      if (!this.#isHeard) this.reconnect()
    }, this.#options.deadlineMs).unref()
  }

  #mislead(): StoreUnavailable {
    this.#client.disconnect(true)
    this.#options.onMisled?.()
    return this.#unavailable('the response to another call came')
  }

  #trust(): void {
    clearTimeout(this.#suspicion)
    this.#suspicion = undefined
  }

  // Connected, but the server does not get through the handshake.
  #dropHalfOpen(): void {
    if (this.#client instanceof Redis && this.#client.status === 'connect') this.#client.disconnect(true)
  }

  // ioredis hangs the command on its errors, with all that was sent: a password (AUTH), a password's hash. Only words leave.
  #unavailable(message: string, error = this.#lastError): StoreUnavailable {
    return new StoreUnavailable(`Redis: ${message}`, error ? { cause: new Error(error.message) } : {})
  }
}
