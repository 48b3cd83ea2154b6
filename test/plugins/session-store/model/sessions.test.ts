// Random histories against the model (history.ts): whatever is done in whatever order, the store answers as the model does, and
// afterwards holds what the model holds. A failure prints its seed, its path, and the shortest history that shows it.
import { deepStrictEqual as same } from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import type { EndReason, RotateOutcome, Session, Store } from '../../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { newPrefix, sharedRedis } from '../../../support/redis/server.ts'
import { ofSessions } from '../contract/scene.ts'
import { type CallHistory, limits, Model } from './history.ts'

const startMs = new Model().nowMs

/** A step is done to the model and to the store; both must answer alike. */
type Step = (model: Model, store: Store) => Promise<void>

class Command implements fc.AsyncCommand<Model, Store> {
  readonly #title: string
  readonly #step: Step

  constructor(title: string, step: Step) {
    this.#title = title
    this.#step = step
  }

  check(): boolean {
    return true
  }

  async run(model: Model, store: Store): Promise<void> {
    await this.#step(model, store)
    await compare(model, store)
  }

  toString(): string {
    return this.#title
  }
}

/** Picks a session by any number; sessions that ended are picked too, but the newest more often. */
function pick(model: Model, index: number): CallHistory | undefined {
  return model.histories[model.histories.length - 1 - (index % Math.max(1, Math.min(model.histories.length, 6)))]
}

/** `back` 0 is the newest generation, 1 the one before, -1 a token that the store never gave. */
function tokenOf({ sid, madeAt }: CallHistory, back: number, nowMs: number) {
  const generation = Math.max(1, madeAt.length - back)
  return { sid, generation, issuedAtSeconds: Math.floor((madeAt[generation - 1] ?? nowMs) / 1000) }
}

function wordsOf(outcome: RotateOutcome): string {
  if ('why' in outcome) return `${outcome.outcome}: ${outcome.why}`
  return outcome.outcome === 'revoked' ? `revoked: ${outcome.reason}` : outcome.outcome
}

const login = (sub: string, staleRevision: boolean) =>
  new Command(`login of ${sub}${staleRevision ? ', overtaken by a change' : ''}`, async (model, store) => {
    const sid = `${sub.padEnd(8, '-')}${String(model.histories.length).padStart(24, '0')}`
    const revision = (model.users.get(sub)?.revision ?? 0) - Number(staleRevision)
    const expected = model.login(sub, sid, revision)
    const rest = { roles: [], scope: '', device: '', ip: '', amr: ['pwd'] }
    const created = await store.sessions.create({ sid, sub, userRevision: revision, ...limits, ...rest })
    same(created.outcome, expected)
  })

const refresh = (index: number, back: number, times: number) =>
  new Command(`refresh of session ${index}, ${back} behind, ${times} at once`, async (model, store) => {
    const history = pick(model, index)
    if (!history) return
    const token = tokenOf(history, back, model.nowMs)
    const outcomes = await Promise.all(Array.from({ length: times }, () => store.sessions.rotate(token, model.graceMs)))
    // Which of those sent at once comes first is the store's choice; the outcomes as a whole are not.
    const expected = Array.from({ length: times }, () => model.present(history, token.generation))
    same(outcomes.map(wordsOf).sort(), expected.sort())
    const given = (why: 'lost_answer' | 'concurrent') =>
      outcomes.flatMap((one) => (one.outcome === 'retried' && one.why === why ? [one.session.generation] : []))
    for (const generation of given('concurrent')) same(generation, history.madeAt.length)
    same(new Set(given('lost_answer')).size, given('lost_answer').length)
  })

const refreshPair = (index: number, back: number) =>
  new Command(`refresh of session ${index}, newest and ${back} behind at once`, async (model, store) => {
    const history = pick(model, index)
    if (!history) return
    const tokens = [tokenOf(history, 0, model.nowMs), tokenOf(history, back, model.nowMs)]
    const outcomes = tokens.map((token) => store.sessions.rotate(token, model.graceMs))
    const words = (await Promise.all(outcomes)).map(wordsOf)
    same(
      words,
      tokens.map(({ generation }) => model.present(history, generation)),
    )
  })

const deliver = (index: number, back: number) =>
  new Command(`delivered: session ${index}, ${back} behind`, async (model, store) => {
    const history = pick(model, index)
    if (!history) return
    const { sid, generation } = tokenOf(history, back, model.nowMs)
    await store.sessions.markDelivered([{ sid, generation }])
    model.see(history, generation)
  })

const end = (index: number, reason: EndReason) =>
  new Command(`end of session ${index}: ${reason}`, async (model, store) => {
    const history = pick(model, index)
    const { revocations } = await store.sessions.end(history?.sid ?? 'nothing', reason)
    same(
      revocations.map(({ sid }) => sid),
      model.end(history, reason),
    )
  })

const endAll = (sub: string, exceptIndex: number | undefined) =>
  new Command(`end of all of ${sub}${exceptIndex === undefined ? '' : ` but ${exceptIndex}`}`, async (model, store) => {
    const exceptSid = exceptIndex === undefined ? undefined : pick(model, exceptIndex)?.sid
    const { revocations } = await store.sessions.endAll(sub, 'password_changed', exceptSid)
    same(
      revocations.map(({ sid }) => sid),
      model.endAll(sub, 'password_changed', exceptSid),
    )
  })

const changeUser = (sub: string, disabled: boolean) =>
  new Command(`${sub} ${disabled ? 'disabled' : 'changed'}`, async (model, store) => {
    await store.users.change(sub, { disabled })
    model.changeUser(sub, disabled)
  })

const advance = (ms: number) =>
  new Command(`${ms} ms pass`, async (model) => {
    model.moveTo(model.nowMs + ms)
    clock.nowMs = model.nowMs
  })

/** To the very millisecond at which a session reaches a limit, or the one before. */
const advanceToLimit = (index: number, limit: 'idle' | 'absolute', early: number) =>
  new Command(`to ${early} ms before the ${limit} limit of session ${index}`, async (model) => {
    const [first = 0, newest = first] = [pick(model, index)?.madeAt[0], pick(model, index)?.madeAt.at(-1)]
    const absoluteMs = Math.floor(first / 1000) * 1000 + limits.absoluteTtlSeconds * 1000
    const limitMs = limit === 'absolute' ? absoluteMs : newest + limits.idleTtlSeconds * 1000
    model.moveTo(limitMs - early)
    clock.nowMs = model.nowMs
  })

const setGrace = (ms: number) =>
  new Command(`grace is ${ms} ms`, async (model) => {
    model.graceMs = ms
  })

/** The store holds what the model holds: every session, every list, the log. */
async function compare(model: Model, store: Store): Promise<void> {
  for (const history of model.histories) same(summaryOf(await store.sessions.read(history.sid)), expectedOf(history))
  for (const sub of model.users.keys()) {
    const listed = (await store.sessions.list(sub)).map(({ sid }) => sid)
    same(
      listed,
      model
        .liveOf(sub)
        .map(({ sid }) => sid)
        .reverse(),
    )
  }
  const { revocations } = await store.sessions.readRevocations({ sinceMs: 0 }, 0)
  same(
    ofSessions(revocations).map(({ sid, reason, at }) => ({ sid, reason, at })),
    model.log,
  )
}

function summaryOf(session: Session | undefined) {
  const { generation, provenGeneration, rotatedAt, createdAt, absoluteExpirySeconds, revokedAt, endReason } =
    session ?? {}
  return { generation, provenGeneration, rotatedAt, createdAt, absoluteExpirySeconds, revokedAt, endReason }
}

function expectedOf({ madeAt, arrived, ended }: CallHistory) {
  const [createdAt = Number.NaN] = madeAt
  return {
    generation: madeAt.length,
    provenGeneration: Math.max(0, ...arrived),
    rotatedAt: madeAt.slice(-3).reverse(),
    createdAt,
    absoluteExpirySeconds: Math.floor(createdAt / 1000) + limits.absoluteTtlSeconds,
    revokedAt: ended?.at,
    endReason: ended?.reason,
  }
}

const clock = { nowMs: startMs }
const index = fc.nat({ max: 5 })
// Mostly the newest and the ones just behind it; sometimes old ones, and forged ones ahead.
const back = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 0, 0, 1, 1, 2) },
  { weight: 2, arbitrary: fc.integer({ min: 3, max: 8 }) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: -1 }) },
)
const sub = fc.constantFrom('ana', 'ana', 'bo')
const reason = fc.constantFrom<EndReason>('logout', 'revoked_by_user', 'revoked_by_admin')
const step = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(0, 1, 999, 1000, 2500) },
  { weight: 3, arbitrary: fc.constantFrom(9_999, 10_000, 10_001, 60_000) },
  { weight: 1, arbitrary: fc.constantFrom(1_800_000, 3_599_999, 3_600_000, 21_600_000) },
)
const weighted: [number, fc.Arbitrary<Command>][] = [
  [
    3,
    fc
      .tuple(
        sub,
        fc.nat({ max: 9 }).map((n) => n === 0),
      )
      .map((args) => login(...args)),
  ],
  [12, fc.tuple(index, back, fc.constantFrom(1, 1, 1, 2, 5)).map((args) => refresh(...args))],
  [2, fc.tuple(index, back).map((args) => refreshPair(...args))],
  [6, fc.tuple(index, fc.constantFrom(0, 0, 0, 1, 2, -1)).map((args) => deliver(...args))],
  [1, fc.tuple(index, reason).map((args) => end(...args))],
  [1, fc.tuple(sub, fc.option(index, { nil: undefined })).map((args) => endAll(...args))],
  [
    1,
    fc
      .tuple(
        sub,
        fc.nat({ max: 3 }).map((n) => n === 0),
      )
      .map((args) => changeUser(...args)),
  ],
  [7, step.map(advance)],
  [
    1,
    fc
      .tuple(index, fc.constantFrom('idle', 'absolute'), fc.constantFrom(0, 0, 1))
      .map((args) => advanceToLimit(...args)),
  ],
  [1, fc.constantFrom(0, 1, 1000, 10_000, 60_000).map(setGrace)],
]

interface Subject {
  name: string
  open: () => Store | Promise<Store>
  /** How long it remembers what has expired; undefined when longer than any history here. */
  remembersExpiredMs?: number
  histories: number
  /** Rows of the decision table that its histories reach. */
  rows: string[]
}

const everyRow = [
  'rotated',
  'retried: lost_answer',
  'retried: concurrent',
  'reused',
  'ahead',
  'expired: idle',
  'user_changed',
]
const endedRows = ['revoked: logout', 'revoked: revoked_by_reuse']
const loadSubjectTag = async () => (sub: string) => sub.padEnd(8, '-')
const redisUrl = await sharedRedis(t)

const embedded: Subject = {
  name: 'the embedded store',
  open: () => openEmbeddedStore({ file: ':memory:', clock: () => clock.nowMs }),
  histories: 300,
  rows: [...everyRow, ...endedRows, 'expired: absolute'],
}

const redis: Subject = {
  name: 'Redis',
  open: () =>
    openRedisStore({
      url: redisUrl,
      prefix: newPrefix(),
      clock: () => clock.nowMs,
      loadSubjectTag,
      deadlineMs: 10_000,
      keepLogMs: 48 * 3_600_000,
    }),
  // It forgets expired sessions an hour later, so time ends before any session has seen six hours of use.
  remembersExpiredMs: 3_600_000,
  histories: 80,
  rows: [...everyRow, ...endedRows],
}

for (const subject of [embedded, redis]) {
  t.test(`every random history on ${subject.name} goes as the model says`, (t) => holdToModel(t, subject))
}

async function holdToModel(t: Test, subject: Subject): Promise<void> {
  const commands = fc.commands(
    weighted.flatMap(([weight, arbitrary]) => Array.from({ length: weight }, () => arbitrary)),
    { maxCommands: 80, size: 'max' },
  )
  const tally = new Map<string, number>()
  const property = fc.asyncProperty(commands, async (history) => {
    clock.nowMs = startMs
    const store = counting(await subject.open(), tally)
    for (const name of ['ana', 'bo']) await store.users.add({ sub: name, passwordHash: '', roles: [], scope: '' })
    try {
      await fc.asyncModelRun(
        () => ({ model: new Model(subject.remembersExpiredMs), real: store }),
        [login('ana', false), ...history],
      )
    } finally {
      await store.close()
    }
  })
  await fc.assert(property, { numRuns: subject.histories })
  for (const row of subject.rows)
    t.ok((tally.get(row) ?? 0) > subject.histories / 80, `${row} happened ${tally.get(row)} times`)
}

// A model test that never reached a row of the table would prove nothing about it.
function counting(store: Store, tally: Map<string, number>): Store {
  const rotate = store.sessions.rotate.bind(store.sessions)
  store.sessions.rotate = async (presented, graceMs) => {
    const outcome = await rotate(presented, graceMs)
    tally.set(wordsOf(outcome), (tally.get(wordsOf(outcome)) ?? 0) + 1)
    return outcome
  }
  return store
}
