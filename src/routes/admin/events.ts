// /admin/events: what happened, a page at a time and live, and /admin/signals: what somebody should look at. It must never
// hold a reader's news for longer than a moment.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { eventView } from '../../../plugins/audit/view.ts'
import { noQuery } from '../../../plugins/auth-routes/wire/fields.ts'
import { timestamp } from '../../../plugins/auth-routes/wire/session-view.ts'
import { accessOf } from '../../../plugins/authenticate.ts'
import { errorResponses, problem } from '../../../plugins/errors/index.ts'
import type { Signal } from '../../../plugins/session-store/port/events.ts'
import { eventPage, eventStream, eventsQuery, type SignalView, signalPage, signalsQuery } from '../wire/events.ts'
import { defaultPageLimit } from '../wire/pages.ts'
import { adminErrors, adminSchema } from './route.ts'

export const adminEvents: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/admin/events', {
    schema: {
      ...adminSchema,
      operationId: 'listEvents',
      summary: 'List events',
      description: 'What happened, newest first, of all nodes: filtered by session, subject, reason or request id.',
      querystring: eventsQuery,
      response: { 200: eventPage, ...errorResponses(...adminErrors) },
    },
    handler: (request) => listEvents(app, request.query),
  })

  app.get('/admin/events/stream', {
    exposeHeadRoute: false,
    schema: {
      ...adminSchema,
      operationId: 'watchEvents',
      summary: 'Watch events',
      description:
        'Server-sent events: `event` (one event) and, every two seconds, `usage` (counts since the last one by reason). Ends ' +
        'with the access token and with its session; a reader that does not keep up is dropped.',
      produces: ['text/event-stream'],
      querystring: noQuery,
      response: {
        200: eventStream,
        ...errorResponses(...adminErrors, 'overloaded'),
      },
    },
    handler: (request, reply) => void watchEvents(app, request, reply),
  })

  app.get('/admin/signals', {
    schema: {
      ...adminSchema,
      operationId: 'listSignals',
      summary: 'List signals',
      description:
        'What rules found in the events, newest first: what was seen, against which threshold, why it matters.',
      querystring: signalsQuery,
      response: { 200: signalPage, ...errorResponses(...adminErrors) },
    },
    handler: (request) => listSignals(app, request.query),
  })
}

async function listEvents(app: FastifyInstance, { before, limit, request_id, ...filter }: Static<typeof eventsQuery>) {
  const asked = { ...filter, ...(request_id !== undefined && { requestId: request_id }) }
  const page = await app.auditTrail.store.page(asked, { before, limit: Number(limit ?? defaultPageLimit) })
  return { events: page.events.map(eventView), next: page.next ?? null }
}

async function listSignals(app: FastifyInstance, { before, limit, ...filter }: Static<typeof signalsQuery>) {
  const page = await app.auditTrail.store.signals(filter, { before, limit: Number(limit ?? defaultPageLimit) })
  return { signals: page.signals.map(signalView), next: page.next ?? null }
}

function signalView({ at, ...signal }: Signal): SignalView {
  return { ...signal, at: timestamp(at) }
}

function watchEvents(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): void {
  const access = accessOf(request)
  const isOver = () => access.exp * 1000 <= app.auditTrail.clock() || app.revocation.isRevoked(access)
  const reader = app.auditTrail.live.open(isOver)
  if (!reader) throw problem('overloaded', { detail: 'too_many_watch', headers: { 'Retry-After': '5' } })
  reply.header('content-type', 'text/event-stream').header('cache-control', 'no-store')
  // A proxy in between must not gather them (nginx).
  reply.header('x-accel-buffering', 'no')
  reply.send(reader)
}
