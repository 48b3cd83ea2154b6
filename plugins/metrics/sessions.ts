// Metrics of sessions: refreshes, logins, events by reason, what refresh tokens look like when they are used, revocations.
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { countUp } from '../audit/counts.ts'
import { givesToken, reasonsWhere, rowOf } from '../audit/reasons/index.ts'
import { addRead, histogramValues } from './counted.ts'
import type { Totals } from './totals.ts'

// What a refresh and a sign-in can come to.
const granted = reasonsWhere(givesToken)
const refused = reasonsWhere((row) => row.refresh !== undefined && !givesToken(row))
const logins = reasonsWhere(({ login }) => login !== undefined)

/** Adds them. */
export function addSessions(app: FastifyInstance, registry: Registry, totals: Totals): void {
  addCounts(registry, totals)
  addTokens(app, registry, totals)
  addRevocations(app, registry, totals)
  addActive(app, registry)
}

function addCounts(registry: Registry, { events }: Totals): void {
  const countOf = (reason: string) => events.get(reason) ?? 0
  addRead(registry, { name: 'cardea_events_total', help: 'Events by reason.', type: 'counter' }, () =>
    [...events].map(([reason, value]) => ({ labels: { reason }, value })),
  )
  addRead(registry, { name: 'cardea_refreshes_total', help: 'Refreshes by outcome and reason.', type: 'counter' }, () =>
    [
      ...granted.map((reason) => ({ outcome: 'granted', reason })),
      ...refused.map((reason) => ({ outcome: 'refused', reason })),
    ].map((labels) => ({ labels, value: countOf(labels.reason) })),
  )
  addRead(registry, { name: 'cardea_logins_total', help: 'Logins by outcome.', type: 'counter' }, () =>
    logins.map((reason) => ({ labels: { outcome: rowOf(reason)?.login ?? '' }, value: countOf(reason) })),
  )
}

function addTokens(app: FastifyInstance, registry: Registry, { tokenAges, rotations }: Totals): void {
  app.audit.onRecorded(({ reason, tokenAgeSeconds, generation }) => {
    if (tokenAgeSeconds !== undefined) tokenAges.observe(tokenAgeSeconds)
    if (reason === 'rotated' && generation !== undefined) rotations.observe(generation)
  })
  const age = 'cardea_refresh_token_age_seconds'
  addRead(registry, { name: age, help: 'Age of refresh tokens when they are presented.', type: 'histogram' }, () =>
    histogramValues(age, tokenAges, {}),
  )
  const rotated = 'cardea_session_rotations'
  const help = 'How many rotations its session has had, at each rotation.'
  addRead(registry, { name: rotated, help, type: 'histogram' }, () => histogramValues(rotated, rotations, {}))
}

function addRevocations(app: FastifyInstance, registry: Registry, totals: Totals): void {
  const { revocations, propagation } = totals
  app.sessions.onRevoked(({ kind }) => countUp(revocations, kind))
  const made = {
    name: 'cardea_revocations_total',
    help: 'Revocations this node made, by kind.',
    type: 'counter',
  } as const
  addRead(registry, made, () => [...revocations].map(([kind, value]) => ({ labels: { kind }, value })))
  const name = 'cardea_revocation_propagation_seconds'
  const help = 'From a revocation, on whichever node, to this one knowing of it, by both clocks.'
  addRead(registry, { name, help, type: 'histogram' }, () => histogramValues(name, propagation.times, {}))
  addStatus(app, registry)
}

function addStatus(app: FastifyInstance, registry: Registry): void {
  const gauge = (name: string, help: string, read: () => number) =>
    addRead(registry, { name, help, type: 'gauge', aggregator: 'max' }, () => [{ labels: {}, value: read() }])
  const { revocation } = app
  gauge('cardea_revocation_log_age_seconds', 'Since the revocation log was last read to its end.', () =>
    Math.min(revocation.status().ageMs / 1000, Number.MAX_SAFE_INTEGER),
  )
  gauge('cardea_revocation_entries', 'Revocations held in memory.', () => revocation.status().entries)
  gauge('cardea_revocation_unknown_entries', 'Entries of the log that this version skipped.', () => {
    return revocation.status().unknownEntries
  })
  gauge(
    'cardea_revocation_reloads',
    'How often the revocation log was loaded again.',
    () => revocation.status().reloads,
  )
}

function addActive(app: FastifyInstance, registry: Registry): void {
  const name = 'cardea_active_sessions'
  const help = 'Sessions that began or were refreshed in a window, of all nodes, about.'
  addRead(registry, { name, help, type: 'gauge', aggregator: 'max' }, async () => {
    const active = await app.auditTrail.store.countActive(app.auditTrail.clock())
    return Object.entries(active).map(([window, value]) => ({ labels: { window }, value }))
  })
}
