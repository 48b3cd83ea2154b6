// The designs of what is done with a refresh token that comes back, as pure functions from state to state: Cardea's own
// decision, and the three designs it is measured against. The counterexamples are here to be compared with, never to be used.

import type { Session } from '../plugins/session-store/port/store.ts'
import { type PresentingClient, type RetryBinding, retryViolation } from '../plugins/session-store/retry-binding.ts'
import { newestAgain, onceAGrace, ownRule, type RotationRule } from './rules.ts'

/** A refresh token: its number in the session (Cardea: the generation) and when it was issued. */
export interface Token {
  number: number
  issuedAtMs: number
}

export type RefreshResponse =
  | { outcome: 'granted'; token: Token }
  /** The session has ended with this: `reused` because of this token, `expired` by itself. */
  | { outcome: 'reused' | 'expired' }
  /** Nothing changed: a token nobody knows, or a session that had ended before. */
  | { outcome: 'unknown' | 'ended' }

export interface PolicySettings {
  graceMs: number
  idleTtlSeconds: number
  binding: RetryBinding
}

/** A design. Its functions are pure: what a store would keep goes in and comes out. */
export interface RotationDesign<State> {
  /** A login, which gives token 1. */
  begin(nowMs: number, inCookie: boolean): State
  present(
    state: State,
    token: Token,
    nowMs: number,
    client: PresentingClient,
  ): { state: State; response: RefreshResponse }
  /** An access token that came with this refresh token was seen in use. */
  seen?(state: State, token: Token): State
  /** The store was replaced by a copy that may lack the last writes. */
  failOver?(state: State, nowMs: number): State
}

export const policyNames = [
  'cardea',
  'newest-again',
  'once-a-grace',
  'fixed-window',
  'strict',
  'unlimited-parent',
] as const
export type PolicyName = (typeof policyNames)[number]

/** A session under a design that nobody else need know the state of. */
export interface HeldSession {
  present(token: Token, nowMs: number, client: PresentingClient): RefreshResponse
  seen(token: Token): void
  /** The store fails over and has lost what the last call wrote. */
  loseLastWrite(nowMs: number): void
}

/** Starts sessions under one design. */
export type Start = (nowMs: number, inCookie: boolean) => { session: HeldSession; token: Token }

/** The design of this name. */
export function startsOf(name: PolicyName, settings: PolicySettings): Start {
  switch (name) {
    case 'cardea':
      return holding(cardea(settings))
    case 'newest-again':
      return holding(cardea(settings, newestAgain))
    case 'once-a-grace':
      return holding(cardea(settings, onceAGrace))
    case 'strict':
      return holding(strict(settings))
    case 'fixed-window':
      return holding(fixedWindow(settings))
    case 'unlimited-parent':
      return holding(unlimitedParent(settings))
  }
}

function holding<State>(policy: RotationDesign<State>): Start {
  return (nowMs, inCookie) => {
    let state = policy.begin(nowMs, inCookie)
    let before = state
    const session: HeldSession = {
      present(token, presentedMs, client) {
        before = state
        const { state: after, response } = policy.present(state, token, presentedMs, client)
        state = after
        return response
      },
      seen(token) {
        state = policy.seen?.(state, token) ?? state
      },
      loseLastWrite(lostMs) {
        state = policy.failOver?.(before, lostMs) ?? before
      },
    }
    return { session, token: { number: 1, issuedAtMs: nowMs } }
  }
}

/** A record of Cardea's, and when its store last failed over. */
export interface CardeaState {
  session: Session
  failedOverAtMs?: number
}

// Every session of the simulator is this one: what is not here decides nothing.
const noLimitSeconds = 2 ** 32 - 1
const anySession = { sid: '', sub: '', roles: [], scope: '', device: 'its own', ip: '', amr: [], userRevision: 0 }

/** Cardea: the rotation decision as both stores apply it, then retry binding and healing. */
export function cardea(
  { graceMs, idleTtlSeconds, binding }: PolicySettings,
  rule: RotationRule = ownRule,
): RotationDesign<CardeaState> {
  return {
    begin: (createdAt, inCookie) => ({
      session: {
        ...{ ...anySession, idleTtlSeconds, absoluteExpirySeconds: noLimitSeconds },
        ...{ generation: 1, provenGeneration: 0, rotatedAt: [createdAt], createdAt },
        ...(inCookie && { inCookie: true }),
      },
    }),
    present(state, token, nowMs, client) {
      const { session } = healed(state, token)
      const presented = { sid: '', generation: token.number, issuedAtSeconds: Math.floor(token.issuedAtMs / 1000) }
      const decision = rule.decide(session, presented, nowMs, graceMs, undefined)
      const { outcome } = decision
      const isFresh = outcome === 'rotated' || (outcome === 'retried' && decision.why === 'lost_answer')
      if (outcome === 'expired')
        return { state: { ...state, session: endedNow(session, nowMs) }, response: { outcome } }
      if (outcome === 'ahead') return { state, response: { outcome: 'unknown' } }
      if (outcome === 'revoked') return { state, response: { outcome: 'ended' } }
      if (outcome === 'rotated' || (outcome === 'retried' && !retryViolation(session, client, binding))) {
        const after = isFresh ? rule.succeed(session, nowMs, token.number) : rule.again(session, token.number)
        return granted(after === state.session ? state : { ...state, session: after })
      }
      return { state: { ...state, session: endedNow(session, nowMs) }, response: { outcome: 'reused' } }
    },
    seen: (state, { number }) => ({ ...state, session: rule.seen(state.session, number) }),
    failOver: (state, failedOverAtMs) => ({ ...state, failedOverAtMs }),
  }
}

function granted(state: CardeaState): { state: CardeaState; response: RefreshResponse } {
  const { generation, rotatedAt, createdAt } = state.session
  const token = { number: generation, issuedAtMs: rotatedAt[0] ?? createdAt }
  return { state, response: { outcome: 'granted', token } }
}

function endedNow(session: Session, revokedAt: number): Session {
  return { ...session, revokedAt, endReason: 'revoked_by_reuse' }
}

const lostWithinMs = 10_000
const lostGenerationsLimit = 8

// Healing (docs/architecture.md#the-life-of-a-failover), as sessions/rotate.lua does it: what was issued shortly before a
// failover may have been lost with it.
function healed(state: CardeaState, token: Token): CardeaState {
  const { session, failedOverAtMs = 0 } = state
  const lost = token.number - session.generation
  const isRecent = token.issuedAtMs <= failedOverAtMs && token.issuedAtMs >= failedOverAtMs - lostWithinMs
  if (lost <= 0 || lost > lostGenerationsLimit || !isRecent) return state
  const rotatedAt = [token.issuedAtMs, ...session.rotatedAt].slice(0, session.rotatedAt.length)
  return { ...state, session: { ...session, generation: token.number, rotatedAt } }
}

/** A session of the counterexamples: tokens numbered from 1, each the successor of the one before. */
export interface LineState {
  newest: number
  rotatedAtMs: number
  hasEnded: boolean
}

type Limits = Pick<PolicySettings, 'idleTtlSeconds'>

/** Strict rotation: every token but the newest ends the session. */
export function strict(limits: Limits): RotationDesign<LineState> {
  return line(limits, () => false)
}

/** An unlimited parent: the newest token's parent is honoured for ever, and gets the newest again. */
export function unlimitedParent(limits: Limits): RotationDesign<LineState> {
  return line(limits, (state, token) => token.number === state.newest - 1)
}

function line(limits: Limits, isHonoured: (state: LineState, token: Token) => boolean): RotationDesign<LineState> {
  return {
    begin: (rotatedAtMs) => ({ newest: 1, rotatedAtMs, hasEnded: false }),
    present(state, token, nowMs) {
      const over = overBefore(state, token, nowMs, limits)
      if (over) return over
      if (token.number === state.newest) {
        const newest = { number: state.newest + 1, issuedAtMs: nowMs }
        const after = { ...state, newest: newest.number, rotatedAtMs: nowMs }
        return { state: after, response: { outcome: 'granted', token: newest } }
      }
      if (!isHonoured(state, token)) return { state: { ...state, hasEnded: true }, response: { outcome: 'reused' } }
      const newest = { number: state.newest, issuedAtMs: state.rotatedAtMs }
      return { state, response: { outcome: 'granted', token: newest } }
    },
  }
}

/** A session that can fork: tokens not presented yet, and those presented lately. */
export interface ForkingState extends LineState {
  unused: readonly number[]
  superseded: readonly { number: number; atMs: number }[]
}

/**
 * A fixed window that forks the session: a superseded token is honoured for some seconds, whoever presents it, and gets a new,
 * different child each time. Afterwards it ends the session.
 */
export function fixedWindow({
  graceMs,
  ...limits
}: Pick<PolicySettings, 'graceMs' | 'idleTtlSeconds'>): RotationDesign<ForkingState> {
  return {
    begin: (rotatedAtMs) => ({ newest: 1, rotatedAtMs, hasEnded: false, unused: [1], superseded: [] }),
    present(state, token, nowMs) {
      const over = overBefore(state, token, nowMs, limits)
      if (over) return over
      const superseded = state.superseded.filter(({ atMs }) => nowMs - atMs <= graceMs)
      const isFirst = state.unused.includes(token.number)
      if (!isFirst && !superseded.some(({ number }) => number === token.number)) {
        return { state: { ...state, hasEnded: true }, response: { outcome: 'reused' } }
      }
      const child = { number: state.newest + 1, issuedAtMs: nowMs }
      const after = {
        ...{ newest: child.number, rotatedAtMs: nowMs, hasEnded: false },
        unused: [...state.unused.filter((number) => number !== token.number), child.number],
        superseded: isFirst ? [...superseded, { number: token.number, atMs: nowMs }] : superseded,
      }
      return { state: after, response: { outcome: 'granted', token: child } }
    },
  }
}

// What no counterexample decides for itself: a session that has ended, has been idle too long, or never gave this token.
function overBefore<State extends LineState>(
  state: State,
  token: Token,
  nowMs: number,
  { idleTtlSeconds }: Limits,
): { state: State; response: RefreshResponse } | undefined {
  if (state.hasEnded) return { state, response: { outcome: 'ended' } }
  if (nowMs >= state.rotatedAtMs + idleTtlSeconds * 1000) {
    return { state: { ...state, hasEnded: true }, response: { outcome: 'expired' } }
  }
  return token.number > state.newest ? { state, response: { outcome: 'unknown' } } : undefined
}
