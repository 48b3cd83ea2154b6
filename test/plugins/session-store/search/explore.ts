// The rotation search: every history up to a length, breadth first, each situation looked at once. It finds the shortest history
// that breaks a promise, or that there is none.
import { begin, graceMs, movesFrom, type Possible, present, type SearchedDesign, stepMs, type World } from './world.ts'

export interface Findings {
  situations: number
  /** The shortest history in which an owner whom nobody robbed is refused. */
  innocentRefused?: readonly string[]
  /** The shortest in which the owner has gone on, and a token of the thief is still honoured after the grace. */
  thiefGoesOn?: readonly string[]
}

/** The moves of a history, from the last to the first. */
interface History {
  name: string
  before: History | undefined
}

/** Searches all histories of up to `depth` moves. */
export function explore<State>(design: SearchedDesign<State>, depth: number, possible: Possible): Findings {
  const findings: Findings = { situations: 0 }
  const known = new Set<number>()
  let front: [World<State>, History | undefined][] = [[begin(design, possible), undefined]]
  for (let moves = 0; moves < depth; moves += 1) {
    const next: typeof front = []
    for (const [from, before] of front) {
      for (const { name, world } of movesFrom(design, from, possible)) {
        const key = fingerprintOf(design, world, possible)
        if (known.has(key)) continue
        known.add(key)
        const history = { name, before }
        if (world.end === 'owner refused' && !world.stolen) findings.innocentRefused ??= namesOf(history)
        if (isThiefGoingOn(design, world)) findings.thiefGoesOn ??= namesOf(history)
        // What comes after the last move is not looked at.
        if (world.end === undefined && moves + 1 < depth) next.push([world, history])
      }
    }
    front = next
  }
  findings.situations = known.size
  return findings
}

// The owner has refreshed and gone on with what came of it; the thief waits until no grace excuses anything.
function isThiefGoingOn<State>(design: SearchedDesign<State>, world: World<State>): boolean {
  if (world.end !== undefined || world.since !== 'gone on') return false
  const later = { store: world.store, nowMs: world.nowMs + 2 * stepMs }
  return world.stolen?.some((token) => present(design, later, token).token !== undefined) ?? false
}

const endings: readonly World<unknown>['end'][] = [undefined, 'owner refused', 'thief refused', 'expired']

// A situation as a number: what matters of it from now on, hashed to 52 bits. Among a million situations two that differ are
// taken for one with a chance of one in ten thousand.
function fingerprintOf<State>(
  design: SearchedDesign<State>,
  world: World<State>,
  { grace, failover }: Possible,
): number {
  const { store, before, jar, request, askedWith, mark, stolen, since, end, isOwed } = world
  const newest = design.newestOf(store)
  const ageOf = grace || failover ? (ms: number) => Math.min(world.nowMs - ms, graceMs + 1) : () => 0
  const traits = [
    ...design.keyOf(store, ageOf),
    newest - jar.number,
    ageOf(jar.issuedAtMs),
    newest - askedWith,
    ageOf(world.askedAtMs),
    -1,
  ]
  if (before)
    traits.push(newest - design.newestOf(before.store), ageOf(before.untilMs), ...design.keyOf(before.store, ageOf))
  for (const { held, underWay } of tabsOf(world)) {
    traits.push(-2, newest - held)
    for (const { token, sentWith, sentAtMs, isShared, acts } of underWay) {
      const flags = Number(isShared) + 2 * Number(acts === world.acts)
      traits.push(newest - token.number, ageOf(token.issuedAtMs), newest - sentWith, ageOf(sentAtMs), flags)
    }
  }
  traits.push(-3, mark === undefined ? -1 : newest - mark, endings.indexOf(end), Number(isOwed ?? 2))
  if (request) {
    const { tab, token, sentAtMs } = request
    traits.push(-4, tab, newest - token.number, ageOf(token.issuedAtMs), ageOf(sentAtMs))
  }
  traits.push(since === 'acted' ? -1 : since === 'gone on' ? -2 : newest - since)
  for (const { number, issuedAtMs } of stolen ?? [{ number: newest + 9, issuedAtMs: 0 }])
    traits.push(newest - number, ageOf(issuedAtMs))
  return hashOf(traits)
}

// Two lanes of MurmurHash3, of which 26 bits each are kept.
function hashOf(numbers: readonly number[]): number {
  const lanes = [0x2545f491, 0x6a09e667].map((seed) => {
    let hash = seed
    for (const number of numbers) {
      hash ^= Math.imul(rotated(Math.imul(number, 0xcc9e2d51), 15), 0x1b873593)
      hash = Math.imul(rotated(hash, 13), 5) + seed
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) >>> 6
  })
  return (lanes[0] ?? 0) * 2 ** 26 + (lanes[1] ?? 0)
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

// One tab is as good as the other.
function tabsOf<State>({ tabs, underWay }: World<State>) {
  const all = tabs.map((held, tab) => ({ held, underWay: underWay.filter((one) => one.tab === tab) }))
  return all.sort((a, b) => a.held - b.held || a.underWay.length - b.underWay.length)
}

function namesOf(last: History): string[] {
  const names: string[] = []
  for (let at: History | undefined = last; at; at = at.before) names.unshift(at.name)
  return names
}
