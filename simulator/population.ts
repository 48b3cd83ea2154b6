// A synthetic population: what people's devices and thieves do, whatever the gateway answers. Every number here is a guess,
// stated once; the comparison of designs rests on all meeting the same ones.
import type { PresentingClient } from '../plugins/session-store/retry-binding.ts'
import type { Random } from './random.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** What a tab does in a race, ms since the race began: all is known beforehand, so that every design meets the same. */
export interface Tab {
  /** It sends what the browser holds then. */
  sentAfterMs: number
  arrivesAfterMs: number
  respondedAfterMs: number
}

/** A client presents the token it holds. */
export type Step = {
  atMs: number
} /** `lateByMs`: it was not lost, but the client had tried again by then; the browser stores what it brings all the same. */ & (
  | { kind: 'refresh'; isResponseLost: boolean; lateByMs?: number }
  /** Tabs of one browser, with one cookie between them. */
  | { kind: 'race'; tabs: readonly Tab[] }
)

export interface Device {
  inCookie: boolean
  client: PresentingClient
  /** Mean time between two visits, ms. */
  restMs: number
  /** How often a response does not arrive. */
  lossRate: number
  /** How often a visit begins with several tabs at once. */
  raceRate: number
}

/**
 * Within seconds of the client; hours later; always within seconds after each of the client's refreshes; always minutes before
 * them; always seconds before them.
 */
export const thiefKinds = ['near', 'later', 'shadow', 'first', 'racing'] as const
export type ThiefKind = (typeof thiefKinds)[number]

export interface Theft {
  kind: ThiefKind
  /** The token is copied around the first step after this. */
  atMs: number
  /** Copied after that step, not before it: the thief may be the first to present it. */
  isCopiedAfter: boolean
  replaysAfterMs: number
  /** How long before each of the client's refreshes it presents what it holds, and uses nothing; undefined: it does not wait for them. */
  leadMs?: number
  client: PresentingClient
}

const refreshEveryMs = 5 * minute
const quickRetry = [second, 5 * second] as const

/** A device by chance: of every ten, five are ordinary, two lose many responses, two open many tabs, one sleeps for days. */
export function deviceOf(random: Random): Device {
  const inCookie = random.chance(0.7)
  const kind = random.between(0, 10)
  return {
    inCookie,
    client: { label: 'its own', isByCookie: inCookie },
    restMs: kind >= 9 ? 5 * day : 14 * hour,
    lossRate: kind >= 5 && kind < 7 ? 0.05 : 0.002,
    raceRate: inCookie ? (kind >= 7 && kind < 9 ? 0.6 : 0.05) : 0,
  }
}

/** The steps of a device until `endMs`, in order. */
export function* stepsOf(device: Device, random: Random, endMs: number): Generator<Step> {
  let atMs = random.exponential(device.restMs)
  while (atMs < endMs) {
    atMs = yield* visit(device, random, atMs)
    atMs += minute + random.exponential(device.restMs)
  }
}

// A few refreshes, one every five minutes. @returns when the visit ended
function* visit({ lossRate, raceRate }: Device, random: Random, beginMs: number): Generator<Step, number> {
  let atMs = beginMs
  const refreshes = 1 + Math.floor(random.exponential(3))
  if (random.chance(raceRate)) yield raceOf(random, atMs)
  else if (!(yield* untilResponded(random, lossRate, atMs))) return atMs
  for (let i = 1; i < refreshes; i += 1) {
    atMs += refreshEveryMs
    if (!(yield* untilResponded(random, lossRate, atMs))) return atMs
  }
  return atMs
}

// Most clients try again within seconds; the others when they are next used. @returns whether a response came
function* untilResponded(random: Random, lossRate: number, beginMs: number): Generator<Step, boolean> {
  let atMs = beginMs
  while (true) {
    const isResponseLost = random.chance(lossRate)
    const lateByMs = isResponseLost && random.chance(0.1) ? random.between(second, minute) : undefined
    yield { kind: 'refresh', atMs, isResponseLost, ...(lateByMs !== undefined && { lateByMs }) }
    if (!isResponseLost) return true
    if (random.chance(0.4)) return false
    atMs += random.between(...quickRetry)
  }
}

// Now and then a request or a response takes seconds.
function networkMs(random: Random): number {
  return random.chance(0.01) ? random.exponential(2 * second) : random.between(20, 400)
}

// Tabs are opened or woken within three seconds.
function raceOf(random: Random, atMs: number): Step {
  const tabs = Array.from({ length: random.chance(0.3) ? 3 : 2 }, () => {
    const sentAfterMs = random.between(0, 3 * second)
    const arrivesAfterMs = sentAfterMs + networkMs(random)
    return { sentAfterMs, arrivesAfterMs, respondedAfterMs: arrivesAfterMs + networkMs(random) }
  })
  return { kind: 'race', atMs, tabs }
}

/** One device of a hundred is robbed. @returns undefined for the others */
export function theftOf({ inCookie }: Device, random: Random, endMs: number): Theft | undefined {
  if (!random.chance(0.01)) return undefined
  const kind = kindOf(random.between(0, 10))
  const common = { kind, atMs: random.between(0, endMs), client: thiefsClient(kind, inCookie, random) }
  if (kind === 'first' || kind === 'racing') {
    const leadMs = kind === 'first' ? random.between(15 * second, 4 * minute) : random.between(second, 8 * second)
    return { ...common, isCopiedAfter: true, replaysAfterMs: Number.POSITIVE_INFINITY, leadMs }
  }
  return {
    ...common,
    isCopiedAfter: kind === 'later' && random.chance(0.3),
    replaysAfterMs: kind === 'later' ? minute + random.exponential(12 * hour) : random.between(second, 8 * second),
  }
}

function kindOf(at: number): ThiefKind {
  if (at < 2) return 'near'
  if (at < 5) return 'later'
  if (at < 6) return 'shadow'
  return at < 8 ? 'first' : 'racing'
}

// Who sits on the device looks like it. Of the others, some copy the User-Agent field, some send the token as the cookie it was.
function thiefsClient(kind: ThiefKind, inCookie: boolean, random: Random): PresentingClient {
  const isCopied = random.chance(0.3)
  const isByCookie = inCookie && random.chance(0.5)
  if (kind === 'shadow' || kind === 'racing') return { label: 'its own', isByCookie: inCookie }
  return { label: isCopied ? 'its own' : 'another', isByCookie }
}
