// /admin/usage, /admin/usage/history and /admin/overview: how much happens, on which nodes, under which keys.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { noQuery } from '../../../plugins/auth-routes/wire/fields.ts'
import { timestamp } from '../../../plugins/auth-routes/wire/session-view.ts'
import { errorResponses } from '../../../plugins/errors/index.ts'
import { type CountWindow, type NodeReport, windows } from '../../../plugins/session-store/port/events.ts'
import type { SealedKey } from '../../../plugins/session-store/port/store.ts'
import { countHistory, historyQuery, overview, usageCounts } from '../wire/overview.ts'
import { adminErrors, adminSchema } from './route.ts'

export const adminOverview: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/admin/usage', {
    schema: {
      ...adminSchema,
      operationId: 'readUsage',
      summary: 'Count events by reason',
      description: 'How often each reason was recorded since this process started.',
      querystring: noQuery,
      response: { 200: usageCounts, ...errorResponses(...adminErrors) },
    },
    handler: async () => ({ counts: app.audit.counts() }),
  })

  app.get('/admin/usage/history', {
    schema: {
      ...adminSchema,
      operationId: 'readUsageHistory',
      summary: 'Count events over time',
      description: 'The last hour by minutes or the last day by ten minutes, of all nodes together.',
      querystring: historyQuery,
      response: { 200: countHistory, ...errorResponses(...adminErrors) },
    },
    handler: (request) => readHistory(app, request.query.window ?? 'hour'),
  })

  app.get('/admin/overview', {
    schema: {
      ...adminSchema,
      operationId: 'readOverview',
      summary: 'Look at the whole',
      description: 'Active sessions, nodes and signing keys.',
      querystring: noQuery,
      response: { 200: overview, ...errorResponses(...adminErrors) },
    },
    handler: () => readOverview(app),
  })
}

async function readHistory(app: FastifyInstance, window: CountWindow) {
  const { from, reasons } = await app.auditTrail.store.history(window, app.auditTrail.clock())
  return { step_seconds: windows[window].stepSeconds, from: timestamp(from), reasons }
}

async function readOverview(app: FastifyInstance) {
  const { store, clock } = app.auditTrail
  const now = clock()
  const [active, nodes, keys] = await Promise.all([store.countActive(now), store.nodes(now), app.store.keys.list()])
  return {
    active_sessions: active,
    store: app.store.description,
    nodes: nodes.map(nodeView),
    keys: keyViews(keys, now),
  }
}

function nodeView(report: NodeReport) {
  const { node, seenAt, startedAt, revocationLogAgeMs, revocationEntries, storeAheadMs, version } = report
  return {
    node,
    seen_at: timestamp(seenAt),
    started_at: timestamp(startedAt),
    revocation_log_age_ms: revocationLogAgeMs,
    revocation_entries: revocationEntries,
    ...(storeAheadMs !== undefined && { store_ahead_ms: storeAheadMs }),
    version,
  }
}

// The one that became active last signs; those before it only verify what they have signed.
function keyViews(keys: readonly SealedKey[], now: number) {
  const signing = keys.filter(({ use }) => use === 'signing').sort((a, b) => b.activeFrom - a.activeFrom)
  const current = signing.find(({ activeFrom }) => activeFrom <= now) ?? signing.at(-1)
  return signing.map((key) => ({
    kid: key.id,
    alg: key.alg,
    created_at: timestamp(key.createdAt),
    active_from: timestamp(key.activeFrom),
    state: key === current ? ('current' as const) : key.activeFrom > now ? ('next' as const) : ('retiring' as const),
  }))
}
