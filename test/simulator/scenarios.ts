// The things that can happen to a refresh token, played against any design: what README's table says of each is what
// this finds. The client and the thief do the same under every design.
import type { PresentingClient } from '../../plugins/session-store/retry-binding.ts'
import {
  type HeldSession,
  type PolicyName,
  type PolicySettings,
  type Start,
  startsOf,
  type Token,
} from '../../simulator/policies.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const settings = { graceMs: 10 * second, idleTtlSeconds: 7 * 24 * 3600, binding: 'none' } as const
const own: PresentingClient = { label: 'its own', isByCookie: true }
const thiefs: PresentingClient = { label: 'another', isByCookie: false }

interface Scenario {
  /** As README's table has it. */
  title: string
  /** Plays it under a design. @returns how it went, as README's table has it */
  run: (start: Start) => string
}

/** Every scenario, in the order of README's table. */
export const scenarios = {
  lostResponse: { title: 'the response was lost, the client retries an hour later', run: lostResponse },
  tabsOutOfOrder: {
    title: 'two tabs out of order: one has refreshed twice when the other’s request comes',
    run: tabsOutOfOrder,
  },
  thiefLater: { title: 'a thief replays a token an hour after the client has gone on', run: thiefLater },
  thiefWithinSeconds: {
    title: 'a thief replays within seconds of the client, and both go on',
    run: thiefWithinSeconds,
  },
  thiefFirst: { title: 'a thief refreshes a minute before the client, each time', run: thiefFirst },
  storeLostTheLastWrite: { title: 'the store lost the last write in a failover', run: storeLostTheLastWrite },
} satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

/** Plays a scenario under the design of this name, with the settings at their defaults but for `change`. */
export function play(scenario: ScenarioName, policy: PolicyName, change: Partial<PolicySettings> = {}): string {
  return scenarios[scenario].run(startsOf(policy, { ...settings, ...change }))
}

function lostResponse(start: Start): string {
  const { session, token } = start(0, true)
  session.seen(token)
  session.present(token, hour, own)
  const retried = given(session, token, 2 * hour)
  return retried && goesOn(session, retried, 3 * hour) ? 'goes on' : 'logged out'
}

function tabsOutOfOrder(start: Start): string {
  const { session, token } = start(0, true)
  session.seen(token)
  const once = use(session, given(session, token, hour))
  const twice = once && use(session, given(session, once, hour + 3 * second))
  const late = use(session, given(session, token, hour + 6 * second))
  if (!twice || !late || !goesOn(session, late, 2 * hour)) return 'logged out'
  const isForked = twice.number !== late.number && goesOn(session, twice, 3 * hour)
  return isForked ? 'goes on, forked in two' : 'goes on'
}

function thiefLater(start: Start): string {
  const { session, token: stolen } = start(0, true)
  const ofClient = use(session, given(session, stolen, hour))
  const ofThief = use(session, given(session, stolen, 2 * hour, thiefs))
  return outcomeOfTheft(session, ofClient, ofThief, 2 * hour)
}

function thiefWithinSeconds(start: Start): string {
  const { session, token: stolen } = start(0, true)
  const ofClient = use(session, given(session, stolen, hour))
  const ofThief = use(session, given(session, stolen, hour + 3 * second, thiefs))
  return outcomeOfTheft(session, ofClient, ofThief, hour + 3 * second)
}

// It uses nothing of what it gets: that alone would show it to whoever sees the access tokens.
function thiefFirst(start: Start): string {
  const { session, token } = start(0, true)
  let ofClient: Token | undefined = use(session, token)
  let ofThief: Token | undefined = token
  for (let round = 1; round <= 20; round += 1) {
    ofThief = ofThief && given(session, ofThief, round * hour, thiefs)
    if (!ofThief) return 'session ended at the thief’s next refresh'
    ofClient = ofClient && use(session, given(session, ofClient, round * hour + minute))
    if (!ofClient) return 'session ended at the client’s next refresh'
  }
  return 'thief goes on'
}

function storeLostTheLastWrite(start: Start): string {
  const { session, token } = start(0, true)
  session.seen(token)
  const newest = use(session, given(session, token, hour))
  session.loseLastWrite(hour + 2 * second)
  return newest && goesOn(session, newest, hour + 5 * minute) ? 'goes on' : 'logged out'
}

// Both refresh in turn from now on, every five minutes for a day, and use what they get.
function outcomeOfTheft(session: HeldSession, client: Token | undefined, thief: Token | undefined, at: number): string {
  if (!thief) return client && goesOn(session, client, at) ? 'thief refused' : 'session ended at the replay'
  let [ofClient, ofThief]: (Token | undefined)[] = [client, thief]
  let rounds = 0
  for (let now = at; rounds < 288 && ofClient && ofThief; rounds += 1) {
    now += 5 * minute
    ofClient = use(session, given(session, ofClient, now))
    ofThief = use(session, given(session, ofThief, now + minute, thiefs))
  }
  if (ofThief) return 'thief goes on'
  return rounds === 1 ? 'session ended once both have refreshed again' : `session ended after ${rounds} rounds`
}

function given(session: HeldSession, token: Token, nowMs: number, client = own): Token | undefined {
  const response = session.present(token, nowMs, client)
  return response.outcome === 'granted' ? response.token : undefined
}

function use(session: HeldSession, token: Token | undefined): Token | undefined {
  if (token) session.seen(token)
  return token
}

function goesOn(session: HeldSession, token: Token, nowMs: number): boolean {
  return given(session, token, nowMs) !== undefined
}
