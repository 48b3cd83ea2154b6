// The designs that the rotation search goes through: Cardea's own, what it is compared with, and Cardea's with one clause broken.
import {
  type CardeaState,
  cardea,
  type ForkingState,
  fixedWindow,
  type LineState,
  type RotationDesign,
  strict,
  unlimitedParent,
} from '../../../../simulator/policies.ts'
import { newestAgain, ownRule, type RotationRule } from '../../../../simulator/rules.ts'
import { graceMs, type SearchedDesign } from './world.ts'

const limits = { idleTtlSeconds: 2 ** 31 }

/** Cardea's design under a rule. */
export function ofRule(rule: RotationRule, grace: number): SearchedDesign<CardeaState> {
  return {
    ...cardea({ ...limits, graceMs: grace, binding: 'none' }, rule),
    newestOf: ({ session }) => session.generation,
    keyOf: ({ session: { generation, provenGeneration, rotatedAt }, failedOverAtMs }, ageOf) => [
      generation - provenGeneration,
      ...rotatedAt.map(ageOf),
      failedOverAtMs === undefined ? -1 : ageOf(failedOverAtMs),
    ],
  }
}

/** What is compared with Cardea's own rule, each with a grace where it has one. */
export const others = {
  strict: ofLine(strict(limits)),
  'fixed window': ofWindow(fixedWindow({ ...limits, graceMs })),
  'unlimited parent': ofLine(unlimitedParent(limits)),
  'the newest again': ofRule(newestAgain, graceMs),
}

/** Cardea's rule, each time without one of its clauses. */
export const broken = {
  'what is presented proves nothing': {
    ...ownRule,
    succeed: (session, nowMs, presented) => ({
      ...ownRule.succeed(session, nowMs, presented),
      provenGeneration: session.provenGeneration,
    }),
  },
  'a retry within the grace proves nothing': { ...ownRule, again: (session) => session },
  'an access token in use proves nothing': { ...ownRule, seen: (session) => session },
  'only the newest generation is proven by use': {
    ...ownRule,
    seen: (session, number) => (number === session.generation ? ownRule.seen(session, number) : session),
  },
  'a late retry gets the newest again': newestAgain,
  'a skipped generation that comes is reuse': deciding((session, presented, decision) =>
    presented > session.provenGeneration && decision === 'lost_answer' ? 'reused' : decision,
  ),
  'a late retry is reuse': deciding((_, __, decision) => (decision === 'lost_answer' ? 'reused' : decision)),
  'a superseded token is honoured for ever': deciding((_, __, decision) =>
    decision === 'reused' ? 'concurrent' : decision,
  ),
  'the grace is for what is not proven only': deciding((session, presented, decision) =>
    presented < session.provenGeneration ? 'reused' : decision,
  ),
} satisfies Record<string, RotationRule>

type Said = 'lost_answer' | 'concurrent' | 'reused'

function deciding(change: (session: CardeaState['session'], presented: number, said: Said) => Said): RotationRule {
  return {
    ...ownRule,
    decide(session, presented, nowMs, grace, user) {
      const decision = ownRule.decide(session, presented, nowMs, grace, user)
      if (decision.outcome !== 'retried' && decision.outcome !== 'reused') return decision
      const said = change(session, presented.generation, decision.outcome === 'reused' ? 'reused' : decision.why)
      return said === 'reused' ? { outcome: 'reused' } : { outcome: 'retried', why: said }
    },
  }
}

function ofLine(design: RotationDesign<LineState>): SearchedDesign<LineState> {
  return { ...design, newestOf: ({ newest }) => newest, keyOf: ({ hasEnded }) => [Number(hasEnded)] }
}

function ofWindow(design: RotationDesign<ForkingState>): SearchedDesign<ForkingState> {
  return {
    ...design,
    newestOf: ({ newest }) => newest,
    keyOf: ({ newest, hasEnded, unused, superseded }, ageOf) => [
      Number(hasEnded),
      unused.length,
      ...unused.map((number) => newest - number),
      ...superseded.flatMap(({ number, atMs }) => [newest - number, ageOf(atMs)]),
    ],
  }
}
