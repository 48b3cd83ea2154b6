// The plugin `audit-trail`: keeps what `app.audit` records in the store, for all nodes together, and finds what somebody should
// look at. It is a plugin of its own since it needs the store, which records already. Nothing here stands between a request and its response: recording is a few pushes, everything else happens beside.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { EventStore, EventStoreLimits, NodeReport, Signal } from '../session-store/port/events.ts'
import { type Counts, countUp } from './counts.ts'
import { Detector } from './detector.ts'
import { FollowUp } from './follow-up.ts'
import { startHeartbeat } from './heartbeat.ts'
import { LiveEvents } from './live.ts'
import { Recorder, type RecorderOptions } from './recorder.ts'
import type { Action, RuleName } from './rules.ts'
import { eventView } from './view.ts'
import { Webhook } from './webhook.ts'

declare module 'fastify' {
  interface FastifyInstance {
    auditTrail: AuditTrail
  }
}

export interface AuditTrailOptions {
  /** Said of this node in its heartbeat. */
  version: string
  /** How many events, and how many entries of a timeline, are kept. */
  limits: EventStoreLimits
  /** How long access tokens live: the window in which a session may refresh so often. */
  accessTtlSeconds: number
  /** By rule; the others report, at the thresholds of the table of rules. */
  signals: { actions: Partial<Record<RuleName, Action>>; thresholds: Partial<Record<RuleName, number>> }
  /** Each goes on counting: what the recorder loses, and signals by rule that nobody had found before. */
  totals: { readonly lost: RecorderOptions['lost']; readonly signals: Counts }
  /** Who is told of signals; nobody when absent. */
  webhook?: { url: string; secret: string; firstPauseMs?: number } | undefined
  /** This node's clock, ms. */
  clock: () => number
}

/** What the rest of the gateway may ask. */
export interface AuditTrail {
  readonly node: string
  readonly store: EventStore
  readonly live: LiveEvents
  readonly recorder: Recorder
  /** ms, of this node */
  readonly clock: () => number
}

async function auditTrail(app: FastifyInstance, options: AuditTrailOptions): Promise<void> {
  const { clock, limits } = options
  const store = app.store.events
  const { node, networkOf } = app.audit
  const followed = followSignals(app, options)
  const recorder = new Recorder({ store, limits, clock, lost: options.totals.lost, ...followed.hears })
  const live = new LiveEvents({ store, clock, view: eventView })
  const onSignal = (signal: Signal) => recorder.signal(signal)
  const { accessTtlSeconds, signals } = options
  const detector = new Detector({ node, accessTtlSeconds, ...signals, networkOf, onSignal })
  app.decorate('auditTrail', { node, store, live, recorder, clock })
  app.audit.onRecorded((event, session) => {
    recorder.record(event, session)
    detector.see(event, session)
  })
  recorder.start()
  const stopHeartbeat = startHeartbeat(store, reporting(app, node, options))
  app.addHook('preClose', async () => live.close())
  app.addHook('onClose', async () => {
    stopHeartbeat()
    await recorder.stop()
    followed.stop()
  })
}

// What follows when the store has taken a signal that was not there before: so it happens once, whichever nodes found it.
function followSignals(app: FastifyInstance, { webhook: told, clock, totals }: AuditTrailOptions) {
  const lost = (what: string) => (signal: Signal) => app.log.error({ signal: signal.id, rule: signal.rule }, what)
  const followUp = new FollowUp(app.sessions, lost('the action of a signal could not be done'))
  const webhook = told && new Webhook({ ...told, clock, onLost: lost('the webhook did not take a signal') })
  const onNewSignals = (signals: readonly Signal[]) => {
    for (const signal of signals) {
      countUp(totals.signals, signal.rule)
      app.log.warn({ signal }, 'signal')
      followUp.add(signal)
      webhook?.send(signal)
    }
  }
  const onFailure = (err: unknown) => app.outages.note('events', { err })
  const stop = () => {
    followUp.stop()
    webhook?.stop()
  }
  return { hears: { onNewSignals, onFailure }, stop }
}

function reporting(app: FastifyInstance, node: string, { clock, version }: AuditTrailOptions): () => NodeReport {
  const startedAt = clock()
  return () => {
    const { ageMs, entries } = app.revocation.status()
    const revocationLogAgeMs = Math.min(Math.round(ageMs), Number.MAX_SAFE_INTEGER)
    const { storeAheadMs } = app.clocks
    return { node, seenAt: clock(), startedAt, version, revocationLogAgeMs, revocationEntries: entries, storeAheadMs }
  }
}

/** Fastify plugin: decorates `app.auditTrail`. */
export default fp(auditTrail, {
  name: 'audit-trail',
  fastify: '5.x',
  dependencies: ['session-store', 'audit', 'clocks', 'revocation'],
  decorators: { fastify: ['store', 'audit', 'sessions', 'clocks', 'revocation'] },
})
