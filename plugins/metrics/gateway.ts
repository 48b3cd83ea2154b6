// Metrics of the gateway itself: the hashing queue, and how well events and the log are kept.
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { addRead } from './counted.ts'
import type { Totals } from './totals.ts'

/** Adds them. */
export function addGateway(
  app: FastifyInstance,
  registry: Registry,
  { lost, signals }: Totals,
  droppedLogLines: () => number,
): void {
  const add = (type: 'gauge' | 'counter', name: string, help: string, read: () => number) =>
    addRead(registry, { name, help, type }, () => [{ labels: {}, value: read() }])
  const { credentials, auditTrail } = app
  add('gauge', 'cardea_hashing_running', 'Password hashes being computed.', () => credentials.hashing.running)
  add('gauge', 'cardea_hashing_waiting', 'Password hashes that wait.', () => credentials.hashing.waiting)
  add('gauge', 'cardea_events_waiting', 'Events that wait to be stored.', () => auditTrail.recorder.waiting)
  add('counter', 'cardea_events_dropped_total', 'Events that were lost.', () => lost.dropped)
  add(
    'counter',
    'cardea_events_sampled_total',
    'Refusals that were counted and not stored, being too many a second.',
    () => lost.sampled,
  )
  add(
    'counter',
    'cardea_log_lines_dropped_total',
    'Lines of the log that were lost: nobody took them.',
    droppedLogLines,
  )
  const found = {
    name: 'cardea_signals_total',
    help: 'Signals this node was the first to find, by rule.',
    type: 'counter',
  } as const
  addRead(registry, found, () => [...signals].map(([rule, value]) => ({ labels: { rule }, value })))
  add('gauge', 'cardea_live_readers', 'Who watches the events of this node.', () => auditTrail.live.size)
}
