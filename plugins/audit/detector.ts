// Finds signals in the events of this node, as they come. It must stay cheap for the thousands of ordinary refreshes, and
// bounded in memory whatever comes. What it finds is only found: the events plugin acts.
import { createHash } from 'node:crypto'
import { LruMap } from '../collections/lru-map.ts'
import { isSameClient } from '../session-store/device-label.ts'
import { type NewEvent, type Signal, signalRepeatMs } from '../session-store/port/events.ts'
import type { Session } from '../session-store/port/store.ts'
import { type Action, type RuleName, ruleTable } from './rules.ts'

export interface DetectorOptions {
  node: string
  accessTtlSeconds: number
  actions: Partial<Record<RuleName, Action>>
  thresholds: Partial<Record<RuleName, number>>
  networkOf: (address: string) => string
  onSignal: (signal: Signal) => void
}

/** By whom and where a session was used, and how often of late. */
interface Trail {
  /** Who signed in. */
  client: string
  /** Who refreshes it, beside who signed in; undefined until this node has seen a refresh. */
  refreshedBy: string | undefined
  /** Where it was last seen. */
  network: string
  since: number
  rotations: number
  /** Late retries one after the other, and the generation that the last of them was given. */
  lost: number
  lateGeneration: number
}

interface Tally {
  since: number
  count: number
}

const sessionsRemembered = 50_000
const talliesRemembered = 20_000
const burstMs = 10 * 60_000
const hourMs = 60 * 60_000
const dayMs = 24 * hourMs

export class Detector {
  readonly #options: DetectorOptions
  readonly #trails = new LruMap<Trail>(sessionsRemembered)
  readonly #tallies = new LruMap<Tally>(talliesRemembered)
  readonly #raised = new LruMap<true>(talliesRemembered)

  constructor(options: DetectorOptions) {
    this.#options = options
  }

  /** Sessions and counts that are remembered. */
  get size(): number {
    return this.#trails.size + this.#tallies.size + this.#raised.size
  }

  /** Looks at one event. @param session as it is afterwards, where there is one */
  see(event: NewEvent, session?: Session): void {
    const { reason, sid } = event
    if (reason === 'rotated') this.#seeRotation(event, session)
    else if (reason === 'retried_concurrent' || reason === 'retried_lost_answer') this.#seeRetry(event, session)
    else if (reason === 'login_ok') this.#seeLogin(event, session)
    else if (reason === 'login_failed' || reason === 'login_limited') this.#seeFailedLogin(event)
    else if (reason === 'login_slowed') this.#seeRowOfFailures(event)
    else if (reason === 'skipped_generation_used') this.#raise(reason, event, sid, presentedIn(event, session))
    else if (reason === 'reused') this.#seeReuse(event, session)
    else if (reason === 'ahead_refused') this.#raise('ahead', event, sid, presentedIn(event, session))
    else if (reason === 'ahead_healed') this.#raise('healed', event, sid, { generation: event.generation ?? 0 })
  }

  #seeRotation(event: NewEvent, session: Session | undefined): void {
    const { sid, at, tokenAgeSeconds = 0 } = event
    if (sid === undefined) return
    const trail = this.#trailOf(event, sid, session)
    const seen = whereabouts(event)
    if (isOtherClient(seen, trail, session))
      this.#raise('client_changed', event, sid, { ...seen, before: trail.refreshedBy ?? trail.client })
    if (seen.network !== trail.network) this.#raise('network_changed', event, sid, { ...seen, before: trail.network })
    // An app may refresh by either of its two libraries, in turn.
    const isFirstLibrary = isOfApp(session) && isSameClient(seen.client, trail.client)
    if (trail.refreshedBy === undefined || !isFirstLibrary) trail.refreshedBy = seen.client
    trail.network = seen.network
    if (at - trail.since >= this.#options.accessTtlSeconds * 1000) [trail.since, trail.rotations] = [at, 0]
    trail.rotations += 1
    // Once in each window: a session in a loop gets as far as here each time.
    if (trail.rotations === this.#threshold('refresh_rate') + 1) {
      this.#raise('refresh_rate', event, sid, {
        refreshes: trail.rotations,
        window_seconds: this.#options.accessTtlSeconds,
      })
    }
    const days = (tokenAgeSeconds * 1000) / dayMs
    if (days >= this.#threshold('dormant_woke')) this.#raise('dormant_woke', event, sid, { days: Math.floor(days) })
  }

  #seeReuse(event: NewEvent, session: Session | undefined): void {
    const { sid } = event
    if (sid === undefined) return
    this.#raise('reuse', event, sid, { ...presentedIn(event, session), ...this.#elsewhere(event, sid, session) })
  }

  #seeRetry(event: NewEvent, session: Session | undefined): void {
    const { sid } = event
    if (sid === undefined) return
    if (event.reason === 'retried_lost_answer' && session) this.#seeLostAnswer(event, sid, session)
    const seen = this.#elsewhere(event, sid, session)
    const isOther = isOtherClient(seen, this.#trailOf(event, sid, session), session)
    if (!isOther && seen.network === seen.network_before) return
    this.#raise('retry_elsewhere', event, sid, seen)
  }

  // One is behind the other when no rotation came between them, on any node.
  #seeLostAnswer(event: NewEvent, sid: string, session: Session): void {
    const trail = this.#trailOf(event, sid, session)
    trail.lost = session.generation === trail.lateGeneration + 1 ? trail.lost + 1 : 1
    trail.lateGeneration = session.generation
    if (trail.lost >= this.#threshold('lost_answers_in_a_row'))
      this.#raise('lost_answers_in_a_row', event, sid, { lost: trail.lost, generation_newest: session.generation })
  }

  #seeFailedLogin(event: NewEvent): void {
    const { network } = whereabouts(event)
    if (event.sub !== undefined) this.#countUp('login_failures_subject', event, event.sub, burstMs)
    // It is about the network, not about whoever came last.
    if (network !== '') this.#countUp('login_failures_address', { ...event, sub: undefined }, network, burstMs)
  }

  #seeRowOfFailures(event: NewEvent): void {
    const { sub } = event
    if (sub === undefined) return
    const tally = this.#tallies.touch(`failures_in_a_row ${sub}`, () => ({ since: event.at, count: 0 }))
    tally.count += 1
    if (tally.count >= this.#threshold('failures_in_a_row'))
      this.#raise('failures_in_a_row', event, sub, { hundreds: tally.count, of: sub })
  }

  #seeLogin(event: NewEvent, session: Session | undefined): void {
    if (event.sid !== undefined) this.#trailOf(event, event.sid, session)
    if (event.sub !== undefined) this.#countUp('many_sessions', event, event.sub, hourMs)
  }

  #countUp(rule: RuleName, event: NewEvent, key: string, windowMs: number): void {
    const tally = this.#tallies.touch(`${rule} ${key}`, () => ({ since: event.at, count: 0 }))
    if (event.at - tally.since >= windowMs) [tally.since, tally.count] = [event.at, 0]
    tally.count += 1
    if (tally.count < this.#threshold(rule)) return
    this.#raise(rule, event, key, { count: tally.count, window_seconds: windowMs / 1000, of: key })
  }

  // Of a session that this node has not seen, its login says where it was.
  #trailOf(event: NewEvent, sid: string, session: Session | undefined): Trail {
    return this.#trails.touch(sid, () => {
      const begun = { refreshedBy: undefined, since: event.at, rotations: 0, lost: 0, lateGeneration: 0 }
      if (!session) return { ...whereabouts(event), ...begun }
      return { client: session.device, network: this.#options.networkOf(session.ip), ...begun }
    })
  }

  /** Where it came from, and where its session was last. */
  #elsewhere(event: NewEvent, sid: string, session: Session | undefined) {
    const { client, refreshedBy = client, network } = this.#trailOf(event, sid, session)
    return { ...whereabouts(event), client_before: refreshedBy, network_before: network }
  }

  #threshold(rule: RuleName): number {
    return this.#options.thresholds[rule] ?? ruleTable[rule].threshold
  }

  #raise(rule: RuleName, event: NewEvent, key: string | undefined, numbers: Signal['numbers']): void {
    const { at, sub, sid } = event
    // The same on every node that finds the same within the same hour.
    const finding = `${rule}\n${key ?? ''}\n${Math.floor(at / signalRepeatMs)}`
    if (this.#raised.get(finding)) return
    this.#raised.set(finding, true)
    // Hashed only now: most findings are repeated.
    const id = createHash('sha256').update(finding).digest('base64url').slice(0, 22)
    const { severity, what, why, ends } = ruleTable[rule]
    this.#options.onSignal({
      ...{ id, rule, at, node: this.#options.node, severity, what, why, numbers },
      threshold: this.#threshold(rule),
      action: ends === 'nothing' ? 'report' : (this.#options.actions[rule] ?? 'report'),
      ...(sub !== undefined && { sub }),
      ...(sid !== undefined && { sid }),
    })
  }
}

// Whether a client is none of the session's own. What is in a cookie stays in one browser. A refresh token in the body is an app's,
// which may sign in by one library and refresh by another: the first to refresh is taken for its own, where the app signed in or, of
// a session that other nodes have refreshed, wherever it is.
function isOtherClient(
  seen: { client: string; network: string },
  { client, refreshedBy, network }: Trail,
  session: Session | undefined,
): boolean {
  if (isSameClient(seen.client, refreshedBy ?? client)) return false
  if (!isOfApp(session)) return true
  if (isSameClient(seen.client, client)) return false
  return refreshedBy !== undefined || (session.generation <= firstRefresh && seen.network !== network)
}

function isOfApp(session: Session | undefined): session is Session {
  return session !== undefined && session.inCookie !== true
}

/** The generation that the first refresh of a session makes. */
const firstRefresh = 2

function whereabouts({ client = '', network = '' }: NewEvent): { client: string; network: string } {
  return { client, network }
}

// Which refresh token was presented, and which is the newest of its session, as far as it is known.
function presentedIn({ generation, tokenAgeSeconds }: NewEvent, session: Session | undefined): Signal['numbers'] {
  return {
    ...(generation !== undefined && { generation_presented: generation }),
    ...(session && { generation_newest: session.generation }),
    ...(tokenAgeSeconds !== undefined && { token_age_seconds: tokenAgeSeconds }),
  }
}
