// /admin/events: what happened, a page at a time and live, and /admin/signals: what somebody should look at. It must never
// hold a reader's news for longer than a moment.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { reasons } from '../../../plugins/audit/reasons/index.ts'
import { eventView } from '../../../plugins/audit/view.ts'
import { closed, noQuery, sid, subject, time } from '../../../plugins/auth-routes/wire/fields.ts'
import { timestamp } from '../../../plugins/auth-routes/wire/session-view.ts'
import { accessOf } from '../../../plugins/authenticate.ts'
import { errorResponses, problem } from '../../../plugins/errors/index.ts'
import type { Signal } from '../../../plugins/session-store/port/events.ts'
import { defaultPageLimit, pageLimit } from '../wire/pages.ts'
import { adminErrors, adminSchema } from './route.ts'

const place = Type.String({
  pattern: '^[0-9]{1,15}-[0-9]{1,19}$',
  description: '`next` of the page before: only what is older.',
})

const eventsQuery = Type.Object(
  {
    sid: Type.Optional(sid),
    sub: Type.Optional(subject),
    // Object.keys forgets that the keys are the reasons.
    reason: Type.Optional(Type.Enum([...reasons], { description: 'A word of the closed list.' })),
    before: Type.Optional(place),
    limit: Type.Optional(pageLimit),
  },
  closed,
)

const eventSchema = Type.Object(
  {
    id: Type.String(),
    at: time('When, by the clock of the node.'),
    node: Type.String({ description: 'Where.' }),
    reason: Type.String({ description: 'A word of the closed list.' }),
    granted: Type.Boolean({ description: 'Whether what was asked for was given.' }),
    sub: Type.Optional(Type.String()),
    sid: Type.Optional(Type.String()),
    generation: Type.Optional(Type.Integer()),
    client: Type.Optional(Type.String({ description: 'What the client calls itself; a label, not evidence.' })),
    network: Type.Optional(Type.String({ description: 'The network of its address.' })),
    token_age_seconds: Type.Optional(Type.Integer({ description: 'How old the refresh token was.' })),
    actor: Type.Optional(Type.String({ description: 'Who did it, when that was not the subject.' })),
    detail: Type.Optional(Type.String()),
  },
  closed,
)

const eventPage = Type.Object(
  {
    events: Type.Array(eventSchema, { description: 'Newest first.' }),
    next: Type.Union([Type.String(), Type.Null()], {
      description:
        'Give this as `before` for the next page; null on the last one. A filtered page may be short, even empty.',
    }),
  },
  closed,
)

const severity = Type.Enum(['info', 'warning', 'alarm'], { type: 'string', description: 'Only these.' })

const signalsQuery = Type.Object(
  { severity: Type.Optional(severity), before: Type.Optional(place), limit: Type.Optional(pageLimit) },
  closed,
)

const signalSchema = Type.Object(
  {
    id: Type.String(),
    rule: Type.String({ description: 'The rule that found it.' }),
    at: time('When it was found.'),
    node: Type.String(),
    sub: Type.Optional(Type.String()),
    sid: Type.Optional(Type.String()),
    severity: Type.String({ description: 'info, warning or alarm.' }),
    what: Type.String({ description: 'What was seen, in a sentence.' }),
    numbers: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String()]), {
      description: 'What was counted.',
    }),
    threshold: Type.Number({ description: 'From where on it is a signal.' }),
    why: Type.String({ description: 'Why it matters.' }),
    action: Type.String({ description: 'report, revoke or login: what the gateway did.' }),
  },
  closed,
)

const signalPage = Type.Object(
  {
    signals: Type.Array(signalSchema, { description: 'Newest first.' }),
    next: Type.Union([Type.String(), Type.Null()], {
      description: 'Give this as `before` for the next page; null on the last one.',
    }),
  },
  closed,
)

export const adminEvents: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/admin/events', {
    schema: {
      ...adminSchema,
      operationId: 'listEvents',
      summary: 'List events',
      description: 'What happened, newest first, of all nodes: filtered by session, subject or reason.',
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
      response: errorResponses(...adminErrors, 'overloaded'),
    },
    handler: (request, reply) => watchEvents(app, request, reply),
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

async function listEvents(app: FastifyInstance, { before, limit, ...filter }: Static<typeof eventsQuery>) {
  const page = await app.auditTrail.store.page(filter, { before, limit: Number(limit ?? defaultPageLimit) })
  return { events: page.events.map(eventView), next: page.next ?? null }
}

async function listSignals(app: FastifyInstance, { before, limit, ...filter }: Static<typeof signalsQuery>) {
  const page = await app.auditTrail.store.signals(filter, { before, limit: Number(limit ?? defaultPageLimit) })
  return { signals: page.signals.map(signalView), next: page.next ?? null }
}

function signalView({ at, ...signal }: Signal) {
  return { ...signal, at: timestamp(at) }
}

function watchEvents(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply) {
  const access = accessOf(request)
  const isOver = () => access.exp * 1000 <= app.auditTrail.clock() || app.revocation.isRevoked(access)
  const reader = app.auditTrail.live.open(isOver)
  if (!reader) throw problem('overloaded', { detail: 'too_many_watch', headers: { 'Retry-After': '5' } })
  reply.header('content-type', 'text/event-stream').header('cache-control', 'no-store')
  // A proxy in between must not gather them (nginx).
  reply.header('x-accel-buffering', 'no')
  return reply.send(reader)
}
