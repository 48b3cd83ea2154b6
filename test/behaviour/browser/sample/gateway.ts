// The page's own files, for real, with answers made up beside them: what only a made-up gateway can do (a stream that breaks
// on demand, a node that lags, text that attacks) and what pictures need. Everything real is tested against the real one.
import type { ServerResponse } from 'node:http'
import Fastify, { type FastifyInstance } from 'fastify'
import type { AdminSessionView, EventView, OverviewView, SignalView } from '../../../../src/ops/state/wire.ts'
import ops from '../../../../src/routes/pages/ops.ts'
import {
  sampleEvents,
  sampleHistory,
  sampleOverview,
  sampleSession,
  sampleSessions,
  sampleSignals,
  sampleTimeline,
} from './data.ts'

/** What a test needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void> | void): void
}

export class SampleGateway {
  url = ''
  events: EventView[]
  signals: SignalView[]
  overview: OverviewView
  /** All live sessions, by subject; `undefined` is a user who has none. */
  sessions: (AdminSessionView | undefined)[]
  /** Sessions and subjects that were ended here. */
  readonly ended: string[] = []
  /** While true the stream answers 503. */
  isStreamRefused = false
  /** Queries of every page of events and of all sessions that was asked for. */
  readonly asked: string[] = []
  readonly #streams = new Set<ServerResponse>()
  readonly #nowMs: number

  constructor(nowMs: number) {
    this.#nowMs = nowMs
    this.events = sampleEvents(nowMs, 400)
    this.signals = sampleSignals(nowMs)
    this.overview = sampleOverview(nowMs)
    this.sessions = sampleSessions(nowMs)
  }

  /** @param type `event` or `audit` */
  send(type: string, data: object): void {
    for (const stream of this.#streams) stream.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  /** Ends every live stream, as a gateway does that stops. */
  cutStreams(): void {
    for (const stream of this.#streams) stream.destroy()
  }

  get streams(): number {
    return this.#streams.size
  }

  addTo(app: FastifyInstance): void {
    addSignIn(app)
    app.get('/admin/overview', () => this.overview)
    app.get<{ Querystring: Record<string, string> }>('/admin/signals', ({ query }) => this.#signalPage(query))
    app.get<{ Querystring: { window: string } }>('/admin/usage/history', ({ query }) =>
      query.window === 'day' ? sampleHistory(this.#nowMs, 900, 96, 2100) : sampleHistory(this.#nowMs, 60, 60, 140),
    )
    app.get<{ Querystring: Record<string, string> }>('/admin/events', ({ url, query }) => {
      this.asked.push(url)
      return this.#page(query)
    })
    app.get('/admin/events/stream', (_request, reply) => {
      if (this.isStreamRefused) return reply.code(503).send({ title: 'The gateway is busy; try again shortly.' })
      reply.hijack()
      this.#open(reply.raw)
    })
    this.#addSessions(app)
  }

  #addSessions(app: FastifyInstance): void {
    app.get<{ Querystring: Record<string, string> }>('/admin/sessions', ({ url, query: { sub, after, limit } }) => {
      if (sub === undefined) {
        this.asked.push(url)
        return this.#sessionPage(Number(after ?? 0), Number(limit))
      }
      const count = sub === 'nobody' ? 0 : sub === 'svc-reports' ? 60 : 3
      const sids = Array.from({ length: count }, (_, i) => `${i}`.padStart(32, 'x'))
      return { sessions: sids.map((sid) => sampleSession(this.#nowMs, sid, sub)) }
    })
    app.get<{ Params: { sid: string } }>('/admin/sessions/:sid', ({ params: { sid } }, reply) =>
      /^[A-Za-z0-9_-]{32}$/.test(sid)
        ? sampleSession(this.#nowMs, sid, 'jonas.lind')
        : reply.code(404).send({ title: 'There is nothing at this path.' }),
    )
    app.get<{ Params: { sid: string } }>('/admin/sessions/:sid/timeline', ({ params: { sid } }) =>
      sampleTimeline(this.#nowMs, sid, 'jonas.lind'),
    )
    app.delete<{ Params: { sid: string } }>('/admin/sessions/:sid', ({ params: { sid } }, reply) => {
      this.ended.push(sid)
      return reply.code(204).send()
    })
    app.delete<{ Params: { sub: string } }>('/admin/subjects/:sub/sessions', ({ params: { sub } }) => {
      this.ended.push(sub)
      return { ended: 3 }
    })
  }

  #page({ reason, sub, sid, before, limit = '50' }: Record<string, string>) {
    const start = before === undefined ? 0 : this.events.findIndex(({ id }) => id === before) + 1
    const found = this.events
      .slice(start)
      .filter((one) => (!reason || one.reason === reason) && (!sub || one.sub === sub) && (!sid || one.sid === sid))
    const events = found.slice(0, Number(limit))
    return { events, next: found.length > events.length ? (events.at(-1)?.id ?? null) : null }
  }

  #signalPage({ severity, before = '0', limit = '50' }: Record<string, string>) {
    const found = this.signals.filter((one) => !severity || one.severity === severity)
    const end = Number(before) + Number(limit)
    return { signals: found.slice(Number(before), end), next: end < found.length ? String(end) : null }
  }

  // Looks at so many users and no further.
  #sessionPage(from: number, limit: number) {
    const looked = this.sessions.slice(from, from + Math.min(limit, 20))
    const next = from + looked.length
    const sessions = looked.filter((session) => session !== undefined)
    return { sessions, ...(next < this.sessions.length && { next: String(next) }) }
  }

  #open(stream: ServerResponse): void {
    stream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    // As the real one does: a stream that falls silent counts as a dead one.
    const beat = setInterval(() => stream.write(': here\n\n'), 2000).unref()
    stream.write(': here\n\n')
    this.#streams.add(stream)
    stream.on('close', () => {
      clearInterval(beat)
      this.#streams.delete(stream)
    })
  }
}

function addSignIn(app: FastifyInstance): void {
  const claims = Buffer.from(JSON.stringify({ sub: 'root', roles: ['admin'] })).toString('base64url')
  const tokens = {
    access_token: `e30.${claims}.c2ln`,
    refresh_token: 'a refresh token',
    expires_in: 300,
    session_id: 'own'.padEnd(32, '0'),
  }
  app.addHook('onRequest', async ({ url, headers }, reply) => {
    const isAllowed = !url.startsWith('/admin') || headers.authorization === `Bearer ${tokens.access_token}`
    if (!isAllowed) return reply.code(401).send({ title: 'This needs an access token.' })
  })
  app.post('/auth/login', () => tokens)
  app.post<{ Body: { refresh_token?: string } }>('/auth/token', ({ body }, reply) =>
    body.refresh_token === tokens.refresh_token ? tokens : reply.code(400).send({ title: 'No refresh token.' }),
  )
  app.post('/auth/logout', (_request, reply) => reply.code(204).send())
}

/** Starts it on 127.0.0.1; it ends with the test. */
export async function startSampleGateway(t: Ending): Promise<SampleGateway> {
  const app = Fastify({ forceCloseConnections: true })
  const sample = new SampleGateway(Date.now())
  await app.register(ops, { enabled: true })
  sample.addTo(app)
  sample.url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    sample.cutStreams()
    await app.close()
  })
  return sample
}
