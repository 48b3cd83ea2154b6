// The store port: what a store must do for the gateway, in the gateway's words. Two adapters implement it, one contract suite
// (test/plugins/session-store/contract.ts) holds them to it. Every verb is atomic. Nothing here is secret: a dump of a store holds
// nothing that can be presented.

import type { VerbLatency } from '../verb-latency.ts'
import type { AttemptStore } from './attempts.ts'
import type { StoreCondition } from './condition.ts'
import type { EventStore } from './events.ts'
import type { KeyStore } from './keys.ts'
import type { SessionStore } from './sessions.ts'
import type { UserStore } from './users.ts'

export type { EndReason } from '../../audit/reasons/index.ts'
export type * from './attempts.ts'
export type * from './keys.ts'
export type * from './sessions.ts'
export type { NewUser, User, UserChange, UserStore } from './users.ts'

/** One store: five interfaces over one database. */
export interface Store {
  /** `embedded (data/cardea.db)`: for the banner and the operators. */
  readonly description: string
  readonly sessions: SessionStore
  readonly users: UserStore
  readonly keys: KeyStore
  readonly attempts: AttemptStore
  readonly events: EventStore
  /** What is the matter with it though it answers. */
  readonly condition: StoreCondition
  readonly latency: VerbLatency
  /** The store's clock, ms. */
  now(): Promise<number>
  /** Rejects when the store cannot serve now. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** Thrown by any verb when the store cannot answer: the caller answers 503 and changes nothing. */
export class StoreUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreUnavailable'
  }
}
