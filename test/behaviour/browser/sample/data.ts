// A lifelike day of a gateway, the same in every run but for its times: who signed in from where, what became of it, what was
// suspicious.
import { sentenceOf } from '../../../../plugins/audit/reasons/index.ts'
import { type RuleName, ruleTable } from '../../../../plugins/audit/rules.ts'
import type {
  AdminSessionView,
  CountHistoryView,
  EventView,
  OverviewView,
  SignalView,
  TimelineEntryView,
  TimelineView,
} from '../../../../src/ops/state/wire.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

const people: [sub: string, client: string, network: string][] = [
  ['mira.okafor', 'Firefox 146 on Linux', '203.0.113.0/24'],
  ['jonas.lind', 'Chrome 156 on Windows', '198.51.100.0/24'],
  ['a.petrov', 'Safari 19 on macOS', '2001:db8:41::/48'],
  ['yuki.tanaka', 'Chrome 156 on Android', '192.0.2.0/24'],
  ['svc-reports', 'reporting-job/2.4', '10.4.0.0/24'],
  ['lucia.marin', 'Edge 156 on Windows', '203.0.113.0/24'],
  ['tom.achterberg', 'Safari 19 on iPhone', '2001:db8:9::/48'],
]

/** The session that a reuse ended; signals, events and the timeline tell its story. */
export const reusedSid = 'pY2uX9vQm4TzB7nLw0KcR8sJf3HdGa61'
export const liveSid = 'mK7cW2xLq9VbN4tRz1PfD6yHj8GsEu30'

/** Numbers that look random and are the same in every run. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return state / 4_294_967_296
  }
}

/** @param steps how many numbers; busier towards the end of the window */
export function sampleHistory(nowMs: number, stepSeconds: number, steps: number, perStep: number): CountHistoryView {
  const random = randomNumbers(steps)
  const counts = (share: number) =>
    Array.from({ length: steps }, (_, i) => {
      const wave = 1 + 0.35 * Math.sin((i / steps) * 5.2 - 0.8)
      return Math.max(0, Math.round(perStep * share * wave * (0.75 + random() * 0.5)))
    })
  const rare = (...at: number[]) => Array.from({ length: steps }, (_, i) => (at.includes(i) ? 1 : 0))
  const from = Math.floor(nowMs / 1000 / stepSeconds - steps + 1) * stepSeconds * 1000
  return {
    step_seconds: stepSeconds,
    from: new Date(from).toISOString(),
    reasons: {
      rotated: counts(1),
      retried_lost_answer: counts(0.035),
      retried_concurrent: counts(0.06),
      expired_idle: counts(0.02),
      session_ended: counts(0.025),
      forged: rare(Math.floor(steps / 3)),
      reused: rare(Math.floor(steps * 0.72)),
      login_ok: counts(0.08),
      login_failed: counts(0.02),
      logout: counts(0.03),
    },
  }
}

export function sampleOverview(nowMs: number): OverviewView {
  const node = (name: string, ageMs: number, startedMs: number) => ({
    node: name,
    seen_at: at(nowMs - 1200),
    started_at: at(nowMs - startedMs),
    revocation_log_age_ms: ageMs,
    revocation_entries: 42,
    version: '0.1.0',
  })
  return {
    active_sessions: { hour: 8412, day: 41_930 },
    store: 'Redis 8.2',
    nodes: [node('gate-a', 240, 3 * dayMs), node('gate-b', 310, 3 * dayMs - hourMs), node('gate-c', 190, 5 * hourMs)],
    keys: [
      key('7q2c', 'next', nowMs - hourMs, nowMs + hourMs),
      key('k9fa', 'current', nowMs - 29 * dayMs, nowMs - 29 * dayMs),
      key('z03d', 'retiring', nowMs - 59 * dayMs, nowMs - 59 * dayMs),
    ],
  }
}

function key(kid: string, state: 'next' | 'current' | 'retiring', createdAt: number, activeFrom: number) {
  return { kid, alg: 'ES256', state, created_at: at(createdAt), active_from: at(activeFrom) }
}

export function sampleSignals(nowMs: number): SignalView[] {
  const signal = (
    id: string,
    rule: RuleName,
    minutesAgo: number,
    rest: Pick<SignalView, 'numbers'> & Partial<SignalView>,
  ) => {
    const { severity, threshold, what, why } = ruleTable[rule]
    return { id, rule, at: at(nowMs - minutesAgo * minuteMs), node: 'gate-a', severity, threshold, what, why, ...rest }
  }
  return [
    signal('s3', 'reuse', 17, {
      sub: 'jonas.lind',
      sid: reusedSid,
      numbers: {
        ...{ generation_presented: 11, generation_newest: 14, token_age_seconds: 2710 },
        ...{ client: 'curl/8.14', network: '192.0.2.0/24' },
        ...{ client_before: 'Chrome 156 on Windows', network_before: '198.51.100.0/24' },
      },
      action: 'revoke',
    }),
    signal('s2', 'refresh_rate', 41, {
      sub: 'svc-reports',
      sid: liveSid,
      numbers: { refreshes: 11, window_seconds: 300 },
    }),
    signal('s1', 'login_failures_subject', 3 * 60, {
      sub: 'mira.okafor',
      numbers: { count: 5, window_seconds: 600, of: 'mira.okafor' },
    }),
  ].map((one) => ({ action: 'report', ...one }))
}

const happenings: [reason: string, granted: boolean][] = [
  ['rotated', true],
  ['rotated', true],
  ['login_ok', true],
  ['rotated', true],
  ['retried_concurrent', true],
  ['rotated', true],
  ['login_failed', false],
  ['rotated', true],
  ['retried_lost_answer', true],
  ['logout', true],
  ['rotated', true],
  ['expired_idle', false],
]

/** Newest first. @param count how many */
export function sampleEvents(nowMs: number, count: number): EventView[] {
  const random = randomNumbers(7)
  return Array.from({ length: count }, (_, i) => sampleEvent(nowMs - i * 7300 - random() * 5000, count - i))
}

/** @param serial makes the id, and chooses who and what */
export function sampleEvent(atMs: number, serial: number): EventView {
  const [sub = '', client = '', network = ''] = people[(serial * 5) % people.length] ?? []
  const [reason = 'rotated', granted = true] = happenings[serial % happenings.length] ?? []
  const isSignIn = reason.startsWith('login')
  return {
    id: `e${serial}`,
    at: at(atMs),
    node: ['gate-a', 'gate-b', 'gate-c'][serial % 3] ?? '',
    reason,
    granted,
    sub,
    ...(reason !== 'login_failed' && { sid: sidOf(serial % 40) }),
    ...(!isSignIn && { generation: 1 + (serial % 23), token_age_seconds: 270 + (serial % 30) }),
    client,
    network,
  }
}

function sidOf(serial: number): string {
  return serial === 3
    ? liveSid
    : `${'qVbN4tRz1PfD6yHj8GsEu30mK7cW2xL9'.slice(serial % 24)}${'0'.repeat(32)}`.slice(0, 32)
}

/** Ten of each of the people, in the order of the list. */
export function sampleSessions(nowMs: number): AdminSessionView[] {
  const subs = people.map(([sub]) => sub).sort()
  return Array.from({ length: 10 * subs.length }, (_, i) =>
    sampleSession(nowMs, `${i}`.padStart(32, 'y'), subs[Math.floor(i / 10)] ?? ''),
  )
}

export function sampleSession(nowMs: number, sid: string, sub: string): AdminSessionView {
  const isEnded = sid === reusedSid
  return {
    sid,
    current: false,
    sub,
    created_at: at(nowMs - 4 * hourMs),
    last_used_at: at(nowMs - 22 * minuteMs),
    expires_at: at(nowMs + 6 * dayMs),
    device: 'Chrome 156 on Windows',
    ip: '198.51.100.23',
    amr: ['pwd'],
    generation: 14,
    roles: ['staff'],
    scope: 'orders:read orders:write',
    ...(isEnded && { ended_at: at(nowMs - 17 * minuteMs), end_reason: 'revoked_by_reuse' }),
  }
}

export function sampleTimeline(nowMs: number, sid: string, sub: string): TimelineView {
  type Step = Omit<TimelineEntryView, 'at' | 'count' | 'sentence'> & { minutesAgo: number; count?: number }
  const entry = ({ minutesAgo, count = 1, ...rest }: Step): TimelineEntryView => ({
    at: at(nowMs - minutesAgo * minuteMs),
    count,
    sentence: sentenceOf(rest.reason),
    node: 'gate-a',
    client: 'Chrome 156 on Windows',
    network: '198.51.100.0/24',
    ...rest,
  })
  const until = (minutesAgo: number) => at(nowMs - minutesAgo * minuteMs)
  const entries = [
    entry({ minutesAgo: 240, reason: 'login_ok', generation: 1 }),
    entry({ minutesAgo: 235, until: until(66), count: 9, reason: 'rotated', generation: 9 }),
    entry({ minutesAgo: 62, reason: 'retried_lost_answer', generation: 9 }),
    entry({ minutesAgo: 61, until: until(22), count: 4, reason: 'rotated', generation: 13 }),
  ]
  if (sid !== reusedSid) return { sid, sub, entries }
  const thief = { minutesAgo: 17, node: 'gate-c', client: 'curl/8.14', network: '192.0.2.0/24' }
  const reason = 'revoked_by_reuse'
  return {
    sid,
    sub,
    ended: { at: until(17), reason, sentence: sentenceOf(reason) },
    entries: [...entries, entry({ ...thief, reason: 'reused', generation: 11 }), entry({ ...thief, reason })],
  }
}

function at(ms: number): string {
  return new Date(ms).toISOString()
}
