// The world of the rotation search: a browser of two tabs with one cookie, a thief, and a store under one design. It says which
// moves can come next and what each does. It decides nothing about tokens: the design does.
import type { RotationDesign, Token } from '../../../../simulator/policies.ts'

/** A design, and what of its state matters from now on, in numbers that do not depend on when it is and how far it has come. */
export interface SearchedDesign<State> extends RotationDesign<State> {
  keyOf(state: State, ageOf: (ms: number) => number): number[]
  /** The highest number given so far. */
  newestOf(state: State): number
}

/** Two steps of time are just longer than a grace of ten seconds, one is shorter. */
export const graceMs = 10_000
export const stepMs = 6_000

/** What may happen in the histories that are searched. */
export interface Possible {
  /** Somebody copies the cookie once and uses the copy. */
  thief: boolean
  /** Responses that were overtaken by newer ones still arrive and are stored, however late. */
  overtakenResponses: boolean
  /** The store fails over once, and loses its last write, which was made a moment ago. */
  failover: boolean
  /** There is a grace: time matters, and responses to requests of one moment arrive in any order. */
  grace: boolean
  /** Tabs of the browser, which share its cookie. */
  tabs: number
  /**
   * A request may be overtaken by others that were sent later: in the same moment and by no more generations than a session
   * remembers, or by any number and also after a while within the grace.
   */
  overtakenRequests: 'none' | 'at once' | 'after a while'
  /** Most responses on their way at a time. */
  underWay: number
}

/** A response on its way to the browser. */
interface Response {
  tab: number
  token: Token
  sentWith: number
  sentAtMs: number
  /** It is what somebody else was given a moment ago: within the grace, both go on with it. */
  isShared: boolean
  /** How often the thief had acted then. */
  acts: number
}

interface Request {
  tab: number
  token: Token
  sentAtMs: number
}

export interface World<State> {
  store: State
  /** As the store was before its last write, and when that was; absent once it has failed over. */
  before?: { store: State; untilMs: number }
  nowMs: number
  /** The cookie; the number of the token that it was asked with, and when. */
  jar: Token
  askedWith: number
  askedAtMs: number
  /** Which access token each tab holds, by the number of the refresh token beside it. */
  tabs: readonly number[]
  underWay: readonly Response[]
  request?: Request
  /** A delivery mark that another node has not sent yet. */
  mark?: number
  /** What the thief holds; undefined before the theft. */
  stolen?: readonly Token[]
  /**
   * How far the owner has come since the thief last did anything: `acted`; `refreshed`, with the number of what he was given;
   * `gone on`, it has been used, or presented in its turn.
   */
  since: 'acted' | number | 'gone on'
  /** The store has failed over: what it lost may have been the owner's, so his next steps count from the one after. */
  isOwed?: boolean
  /** How often the thief has acted, or the store has failed over. */
  acts: number
  /** How the session has ended, if it has. */
  end?: 'owner refused' | 'thief refused' | 'expired'
}

export interface Move<State> {
  name: string
  world: World<State>
}

const client = { label: 'its own', isByCookie: true }
const tabNames = ['tab A', 'tab B']

export function begin<State>(design: SearchedDesign<State>, { failover, tabs }: Possible): World<State> {
  const nowMs = 1_000_000
  const store = design.begin(nowMs, true)
  const jar = { number: 1, issuedAtMs: nowMs }
  return {
    ...{
      store,
      nowMs,
      jar,
      askedWith: 0,
      askedAtMs: 0,
      tabs: Array.from({ length: tabs }, () => 1),
      underWay: [],
      since: 'gone on',
      acts: 0,
    },
    ...(failover && { before: { store, untilMs: nowMs } }),
  }
}

/** All that can happen next. */
export function* movesFrom<State>(
  design: SearchedDesign<State>,
  world: World<State>,
  possible: Possible,
): Generator<Move<State>> {
  for (const tab of world.tabs.keys()) {
    yield* refreshes(design, world, tab, possible)
    yield* uses(design, world, tab)
    if (possible.overtakenRequests !== 'none' && !world.request) yield* sends(world, tab)
  }
  if (world.request && mayStillCome(design, world, world.request, possible)) {
    const { request, ...rest } = world
    yield* refreshes(design, rest, request.tab, possible, request.token)
  }
  for (const response of world.underWay) {
    if (!possible.overtakenResponses && isOvertaken(world, response, possible)) continue
    const underWay = world.underWay.filter((other) => other !== response)
    yield {
      name: `${response.token.number} arrives in ${tabNames[response.tab]}`,
      world: arrive({ ...world, underWay }, response),
    }
  }
  if (world.mark !== undefined) {
    const { mark, ...rest } = world
    yield { name: `the mark of ${mark} arrives`, world: seen(design, rest, mark) }
  }
  if (possible.grace || possible.failover)
    yield { name: 'time passes', world: { ...world, nowMs: world.nowMs + stepMs } }
  if (possible.thief) yield* thefts(design, world)
  if (world.before && world.nowMs <= world.before.untilMs + stepMs) {
    const { before, ...rest } = world
    const store = design.failOver?.(before.store, world.nowMs) ?? before.store
    yield { name: 'the store fails over and loses its last write', world: acted({ ...rest, store, isOwed: true }) }
  }
}

function* refreshes<State>(
  design: SearchedDesign<State>,
  world: World<State>,
  tab: number,
  possible: Possible,
  presented = world.jar,
): Generator<Move<State>> {
  const { nowMs, acts } = world
  const { store, token, isRetry } = present(design, world, presented)
  const name = `${tabNames[tab]} refreshes with ${presented.number}`
  if (!token) {
    yield { name: `${name} and is refused`, world: { ...world, store, end: 'owner refused' } }
    return
  }
  const isShared = isRetry === true && possible.grace && nowMs - token.issuedAtMs <= graceMs
  // Presented, it has certainly arrived.
  const after = goneOnWith(written(world, store), presented.number)
  const response = { tab, token, sentWith: presented.number, sentAtMs: nowMs, isShared, acts }
  yield { name: `${name} and gets ${token.number}`, world: arrive(after, response) }
  yield { name: `${name} and ${token.number} is lost`, world: after }
  if (world.underWay.length < possible.underWay) {
    yield {
      name: `${name} and ${token.number} is under way`,
      world: { ...after, underWay: [...world.underWay, response] },
    }
  }
}

function mayStillCome<State>(
  design: SearchedDesign<State>,
  { store, nowMs }: World<State>,
  { token, sentAtMs }: Request,
  { overtakenRequests }: Possible,
): boolean {
  if (overtakenRequests === 'after a while') return nowMs - sentAtMs <= graceMs
  return nowMs === sentAtMs && design.newestOf(store) - token.number <= 3
}

function* sends<State>(world: World<State>, tab: number): Generator<Move<State>> {
  const { jar, nowMs } = world
  const name = `${tabNames[tab]} sends ${jar.number}`
  yield { name, world: { ...world, request: { tab, token: jar, sentAtMs: nowMs } } }
}

function* uses<State>(design: SearchedDesign<State>, world: World<State>, tab: number): Generator<Move<State>> {
  const number = world.tabs[tab] ?? 0
  yield { name: `${tabNames[tab]} uses ${number}`, world: seen(design, world, number) }
  if (world.mark === undefined) {
    yield { name: `${tabNames[tab]} uses ${number} at another node`, world: { ...world, mark: number } }
  }
}

function* thefts<State>(design: SearchedDesign<State>, world: World<State>): Generator<Move<State>> {
  if (!world.stolen) {
    yield { name: `the thief copies ${world.jar.number}`, world: acted({ ...world, stolen: [world.jar] }) }
    return
  }
  for (const stolen of world.stolen) {
    const { store, token } = present(design, world, stolen)
    const name = `the thief refreshes with ${stolen.number}`
    if (!token) yield { name: `${name} and is refused`, world: { ...world, store, end: 'thief refused' } }
    else {
      const held = [...world.stolen.filter(({ number }) => number !== token.number), token].slice(-3)
      yield { name: `${name} and gets ${token.number}`, world: acted({ ...written(world, store), stolen: held }) }
    }
    const used = seen(design, world, stolen.number)
    yield { name: `the thief uses ${stolen.number}`, world: acted(used) }
  }
}

function acted<State>(world: World<State>): World<State> {
  return { ...world, since: 'acted', acts: world.acts + 1 }
}

/** Presents a token. @returns the store afterwards; `token` where it gave one */
export function present<State>(
  design: SearchedDesign<State>,
  { store, nowMs }: Pick<World<State>, 'store' | 'nowMs'>,
  token: Token,
): { store: State; token?: Token; isRetry?: boolean } {
  const { state, response } = design.present(store, token, nowMs, client)
  if (response.outcome !== 'granted') return { store: state }
  return { store: state, token: response.token, isRetry: response.token.number <= design.newestOf(store) }
}

function written<State>(world: World<State>, store: State): World<State> {
  if (store === world.store) return world
  const { before, nowMs } = world
  return { ...world, store, ...(before && { before: { store: world.store, untilMs: nowMs } }) }
}

function arrive<State>(
  world: World<State>,
  { tab, token, sentWith, sentAtMs, isShared, acts }: Response,
): World<State> {
  const tabs = world.tabs.map((held, i) => (i === tab ? token.number : held))
  const since = world.since === 'acted' && !isShared && acts === world.acts ? token.number : world.since
  return { ...world, jar: token, askedWith: sentWith, askedAtMs: sentAtMs, tabs, since }
}

function seen<State>(design: SearchedDesign<State>, world: World<State>, number: number): World<State> {
  const store = design.seen?.(world.store, { number, issuedAtMs: 0 }) ?? world.store
  return goneOnWith(written(world, store), number)
}

function goneOnWith<State>(world: World<State>, number: number): World<State> {
  if (world.since !== number) return world
  return world.isOwed ? { ...world, isOwed: false, since: 'acted' } : { ...world, since: 'gone on' }
}

// Responses to requests of one moment arrive in any order; any other one that is not to a request with the cookie as it is now has
// been overtaken.
function isOvertaken<State>(
  { jar, askedWith, askedAtMs }: World<State>,
  { sentWith, sentAtMs }: Response,
  { grace }: Possible,
): boolean {
  return sentWith !== jar.number && !(grace && sentWith === askedWith && sentAtMs === askedAtMs)
}
