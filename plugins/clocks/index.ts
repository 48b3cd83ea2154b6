// The plugin `clocks`: compares the clocks of this node, of its store, and of whoever was last seen, while the gateway runs. A jump
// is an alarm and makes the node careful: it keeps what it would forget. It sets no clock and refuses no request.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Store } from '../session-store/port/store.ts'
import { ClockWatch, describeJump } from './clock-watch.ts'

declare module 'fastify' {
  interface FastifyInstance {
    clocks: Clocks
  }
}

export interface ClocksOptions {
  /** This node's clock, ms since 1970. */
  clock: () => number
  /** A clock that nobody sets, ms. */
  monotonic: () => number
  /** How far clocks of nodes may differ before tokens of one are refused at another, ms. */
  toleranceMs: number
  /** How long after a jump back tokens of before may still be taken, beside the jump itself, ms. */
  tokenLifeMs: number
  /** The clocks of the app that serves until this one does, at a reload; nobody's when absent. */
  before?: () => Clocks | undefined
  /** Between two looks at the clocks, ms; 2000 when absent. */
  lookEveryMs?: number
}

/** What of the app is used. */
type Surroundings = Pick<FastifyInstance, 'audit'> & { store: Pick<Store, 'now' | 'events' | 'condition'> }

const defaultLookEveryMs = 2_000

export class Clocks {
  /** A clock that nobody sets, ms. */
  readonly monotonic: () => number
  readonly now: () => number
  readonly #app: Surroundings
  readonly #options: ClocksOptions
  readonly #node = new ClockWatch()
  readonly #store = new ClockWatch()
  readonly #jumpListeners: (() => void)[] = []
  readonly #lookListeners: (() => void)[] = []
  #storeAheadMs: number | undefined
  #differs = false
  #carefulUntilMs = Number.NEGATIVE_INFINITY

  constructor(app: Surroundings, options: ClocksOptions) {
    this.#app = app
    this.#options = options
    this.monotonic = options.monotonic
    this.now = options.clock
    const before = options.before?.()
    if (before !== undefined) this.#takeOver(before)
  }

  /** Whether something jumped so lately that nothing may be forgotten by the time. */
  get isCareful(): boolean {
    return this.monotonic() < this.#carefulUntilMs
  }

  /** How far the store's clock is ahead of this node's, ms; undefined while the store has not told. */
  get storeAheadMs(): number | undefined {
    return this.#storeAheadMs
  }

  /** Whether tokens fail because the clocks of this node and of the store differ. */
  get differs(): boolean {
    return this.#differs
  }

  /** Calls `listener` after each jump; it must neither throw nor wait. */
  onJump(listener: () => void): void {
    this.#jumpListeners.push(listener)
  }

  /** Calls `listener` after each look: the moment to forget what may be forgotten. It must neither throw nor wait. */
  onLook(listener: () => void): void {
    this.#lookListeners.push(listener)
  }

  /** Looks at all clocks, and compares them with what was last seen before this start. Never rejects. */
  async start(): Promise<void> {
    await this.look()
    const reports = await this.#app.store.events.nodes(this.now()).catch(() => [])
    const behindMs = Math.max(...reports.map(({ seenAt }) => seenAt)) - this.now()
    if (behindMs > this.#options.toleranceMs)
      this.#jumped(`this node's is ${Math.round(behindMs / 1000)} s behind what was last seen`, -behindMs)
  }

  /** Looks at the clocks of this node and of the store. Never rejects: a store that is away is asked again. */
  async look(): Promise<void> {
    const nodeJump = this.#node.look(this.now(), this.monotonic())
    const storeJump = await this.#lookAtStore()
    const jumps = [
      nodeJump && `this node's ${describeJump(nodeJump)}`,
      storeJump && `the store's ${describeJump(storeJump)}`,
    ]
    if (nodeJump !== 0 || storeJump !== 0) {
      this.#jumped(jumps.filter((one) => one !== 0).join(', '), Math.min(nodeJump, storeJump))
    }
    this.#compare()
    for (const listener of this.#lookListeners) listener()
  }

  // A jump between the last look of one app and the first of the next is seen as well.
  #takeOver(before: Clocks): void {
    this.#carefulUntilMs = before.#carefulUntilMs
    this.#node.takeOver(before.#node)
    this.#store.takeOver(before.#store)
  }

  async #lookAtStore(): Promise<number> {
    const before = this.monotonic()
    const storeMs = await this.#app.store.now().catch(() => undefined)
    const [tookMs, after] = [this.monotonic() - before, this.monotonic()]
    // What took long says little of when it was said.
    if (storeMs === undefined || tookMs > defaultLookEveryMs / 4) return 0
    this.#storeAheadMs = Math.round(storeMs - (this.now() - tookMs / 2))
    return this.#store.look(storeMs, after - tookMs / 2)
  }

  #jumped(what: string, byMs: number): void {
    // A token of before a jump back is taken for longer than its life, by as much.
    const carefulMs = Math.max(0, -byMs) + this.#options.tokenLifeMs
    this.#carefulUntilMs = Math.max(this.#carefulUntilMs, this.monotonic() + carefulMs)
    this.#app.audit.record(undefined, { reason: 'clock_jumped', granted: false, detail: what })
    for (const listener of this.#jumpListeners) listener()
  }

  #compare(): void {
    const aheadMs = this.#storeAheadMs ?? 0
    const differs = Math.abs(aheadMs) > this.#options.toleranceMs
    // Once when it begins, in the words of that moment, and once when it is over.
    if (differs !== this.#differs)
      this.#app.store.condition.note('clock', differs ? describeDifference(aheadMs) : undefined)
    this.#differs = differs
  }
}

function describeDifference(aheadMs: number): string {
  const distance = `${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`
  return `The store's clock is ${distance} this node's: access tokens of nodes whose clocks differ so are refused. Set both by NTP.`
}

async function clocks(app: FastifyInstance, options: ClocksOptions): Promise<void> {
  const watched = new Clocks(app, options)
  app.decorate('clocks', watched)
  await watched.start()
  const timer = setInterval(() => void watched.look(), options.lookEveryMs ?? defaultLookEveryMs).unref()
  app.addHook('onClose', async () => clearInterval(timer))
}

/** Fastify plugin: decorates `app.clocks`. */
export default fp(clocks, {
  name: 'clocks',
  fastify: '5.x',
  dependencies: ['session-store', 'audit'],
  decorators: { fastify: ['store', 'audit'] },
})
