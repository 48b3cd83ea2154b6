// Clients that refresh without end, while a test does something to the store under them.
import { setTimeout as delay } from 'node:timers/promises'
import { type Store, StoreUnavailable } from '../../../../plugins/session-store/port/store.ts'
import { eventually } from '../../../support/eventually.ts'

export interface Load {
  granted: number
  refused: number
  /** Rotations that the store had answered and lost: adopted again, or refused because they were ahead of it. */
  lost: number
  /** The longest that any verb took, ms. */
  slowestMs: number
  /** What refused the last one. */
  lastError: string
  errors: unknown[]
  stop: () => Promise<void>
}

/** Clients that refresh their sessions again and again, each with the newest token it was given. */
export function startLoad(store: Store, sids: readonly string[]): Load {
  const load: Load = {
    granted: 0,
    refused: 0,
    lost: 0,
    slowestMs: 0,
    errors: [],
    lastError: '',
    stop: async () => undefined,
  }
  let isStopped = false
  const client = async (sid: string) => {
    let generation = 1
    while (!isStopped) {
      const startedAt = performance.now()
      try {
        const issuedAtSeconds = Math.floor(Date.now() / 1000)
        const outcome = await store.sessions.rotate({ sid, generation, issuedAtSeconds }, 60_000)
        load.lost += outcome.outcome === 'healed' ? outcome.lostGenerations : Number(outcome.outcome === 'ahead')
        // After lost writes this client goes back with the store.
        if ('session' in outcome) generation = outcome.session.generation
        load.granted += Number(['rotated', 'retried', 'healed'].includes(outcome.outcome))
      } catch (error) {
        load.refused += 1
        load.lastError = String(error)
        if (!(error instanceof StoreUnavailable)) load.errors.push(error)
      }
      load.slowestMs = Math.max(load.slowestMs, performance.now() - startedAt)
      await delay(5)
    }
  }
  const clients = sids.map(client)
  load.stop = async () => {
    isStopped = true
    await Promise.all(clients)
  }
  return load
}

/** Waits until so many more refreshes were granted. */
export function grow(load: Load, count: number): Promise<void> {
  const goal = load.granted + count
  return eventually(`${count} more refreshes are granted`, () => load.granted >= goal, 30_000)
}
