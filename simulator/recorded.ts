// Recorded events against another design: what the sessions of a gateway's log would have met there. A log tells which tokens
// came and when, not which access tokens were used nor who was a thief: what is assumed is said below.
import { isSameClient } from '../plugins/session-store/device-label.ts'
import { aligned, type Columns } from './figures.ts'
import type { HeldSession, Start, Token } from './policies.ts'

/** What is needed of a log line (`event` and the rest as plugins/audit/index.ts logs them). */
interface RecordedEvent {
  event: keyof typeof replayed
  sid: string
  generation: number
  /** ms */
  time: number
  client: string
}

// Events of a refresh token that was presented, or given at login.
const replayed = {
  login_ok: 'login',
  rotated: 'rotated',
  ahead_healed: 'rotated',
  retried_lost_answer: 'retried',
  retried_concurrent: 'retried',
  reused: 'reused',
  expired_idle: 'expired',
} as const

/** A log, read. */
export interface Recorded {
  /** Events by session, in order of time. */
  sessions: ReadonlyMap<string, readonly RecordedEvent[]>
  /** Lines that say nothing of a refresh token. */
  passedOver: number
}

/** What a design would have done. */
export interface RecordedFigures {
  retriesHonoured: number
  /** The recorded client went on; here it was refused. */
  honestLogouts: number
  reusesRefused: number
  reusesHonoured: number
  idleLogouts: number
}

/**
 * Reads log lines, in any order and mixed with others, by session.
 * @param lines JSON, one object each; what is none is passed over
 */
export async function readEvents(lines: AsyncIterable<string>): Promise<Recorded> {
  const sessions = new Map<string, RecordedEvent[]>()
  let passedOver = 0
  for await (const line of lines) {
    const event = eventOf(line)
    const known = event && sessions.get(event.sid)
    if (!event) passedOver += 1
    else if (known) known.push(event)
    else sessions.set(event.sid, [event])
  }
  for (const events of sessions.values()) events.sort((a, b) => a.time - b.time)
  return { sessions, passedOver }
}

/** Plays the recorded sessions against a design. */
export function replay(
  start: Start,
  { sessions, passedOver }: Awaited<ReturnType<typeof readEvents>>,
): RecordedFigures {
  const figures: RecordedFigures = {
    ...{ sessions: sessions.size, refreshes: 0, passedOver, retriesHonoured: 0, honestLogouts: 0 },
    ...{ reusesRefused: 0, reusesHonoured: 0, idleLogouts: 0 },
  }
  for (const events of sessions.values()) new Recording(start, events, figures).play()
  return figures
}

/** The table. */
export function recordedTable(columns: Columns<RecordedFigures>): string {
  const all = Object.values(columns)
  const strict = columns['strict']
  const row = (title: string, cell: (figures: RecordedFigures) => number) => [title, ...all.map(cell).map(String)]
  return aligned([
    ['', ...Object.keys(columns)],
    row('logins because of idleness', ({ idleLogouts }) => idleLogouts),
    row('recorded retries honoured', ({ retriesHonoured }) => retriesHonoured),
    row('clients that went on taken for a thief', ({ honestLogouts }) => honestLogouts),
    ...(strict ? [row('  avoided against strict', (one) => strict.honestLogouts - one.honestLogouts)] : []),
    row('recorded reuse refused', ({ reusesRefused }) => reusesRefused),
    row('recorded reuse let through', ({ reusesHonoured }) => reusesHonoured),
  ])
}

function eventOf(line: string): RecordedEvent | undefined {
  const parsed = parse(line)
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { event, sid, generation, time, client = '' } = parsed as Record<string, unknown> // Boundary: any JSON object.
  const timeMs = typeof time === 'string' ? Date.parse(time) : time
  const isWhole = Number.isSafeInteger(generation) && Number.isFinite(timeMs)
  if (!isReplayed(event) || typeof sid !== 'string' || typeof client !== 'string' || !isWhole) return undefined
  return { event, sid, generation: Number(generation), time: Number(timeMs), client }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function isReplayed(event: unknown): event is keyof typeof replayed {
  return typeof event === 'string' && Object.hasOwn(replayed, event)
}

/** One recorded session. Its first client is taken for its owner. */
class Recording {
  readonly #start: Start
  readonly #events: readonly RecordedEvent[]
  readonly #figures: RecordedFigures
  /** By recorded generation, the token that its holder has here. */
  readonly #tokens = new Map<number, Token>()
  #session: HeldSession
  #newest: number

  constructor(start: Start, events: readonly RecordedEvent[], figures: RecordedFigures) {
    const [first] = events
    if (!first) throw new Error('a recorded session has at least one event')
    this.#start = start
    this.#events = events
    this.#figures = figures
    this.#newest = first.generation
    this.#session = this.#signIn(first.time)
    // A log that begins in the middle of a session: whatever came before, its token is the one that is held.
    this.#session.seen({ number: 1, issuedAtMs: first.time })
  }

  play(): void {
    for (const [i, event] of this.#events.entries()) {
      if (replayed[event.event] !== 'login') this.#present(event)
      // Where no lost response follows, the response arrived and was used.
      const newest = this.#tokens.get(this.#newest)
      if (newest && this.#events[i + 1]?.event !== 'retried_lost_answer') this.#session.seen(newest)
    }
  }

  #present({ event, generation, time, client }: RecordedEvent): void {
    const token = this.#tokens.get(generation)
    // A token that this design never gave, so that its holder has signed in since.
    if (!token) return
    const kind = replayed[event]
    const label = isSameClient(client, this.#events[0]?.client ?? '') ? 'its own' : client
    const response = this.#session.present(token, time, { label, isByCookie: true })
    if (kind === 'rotated') this.#newest = generation + 1
    if (response.outcome === 'granted') this.#tokens.set(this.#newest, response.token)
    this.#count(kind, response.outcome === 'granted', response.outcome)
    // The real client went on: here it had to sign in for that.
    if (response.outcome !== 'granted' && kind !== 'reused') this.#session = this.#signIn(time)
  }

  #count(kind: (typeof replayed)[keyof typeof replayed], isGranted: boolean, outcome: string): void {
    if (outcome === 'expired') this.#figures.idleLogouts += 1
    else if (kind === 'reused' && isGranted) this.#figures.reusesHonoured += 1
    else if (kind === 'reused') this.#figures.reusesRefused += 1
    else if (!isGranted) this.#figures.honestLogouts += 1
    else if (kind === 'retried') this.#figures.retriesHonoured += 1
  }

  #signIn(time: number): HeldSession {
    const { session, token } = this.#start(time, false)
    this.#tokens.clear()
    this.#tokens.set(this.#newest, token)
    return session
  }
}
