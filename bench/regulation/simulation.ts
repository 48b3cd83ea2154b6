// The login limit, simulated: the very rule of the gateway on the embedded store, under a clock that is held. What it finds is
// what docs/threat-model.md says, and a test holds it to that.

import { parseRate } from '../../plugins/clocks/durations.ts'
import { LoginRule } from '../../plugins/credentials/login-budgets.ts'
import { EmbeddedAttempts } from '../../plugins/session-store/embedded/attempts.ts'
import { randomOf } from '../../simulator/random.ts'
import { settings } from '../../src/config/settings/index.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** The rule with the defaults of the settings, and the clock it stands under. */
class Stage {
  nowMs = Date.parse('2026-11-02T08:00:00Z')
  readonly rule: LoginRule

  constructor() {
    const limits = {
      perSubject: rateOf(settings.loginLimit.fallback),
      perAddress: rateOf(settings.addressLimit.fallback),
    }
    this.rule = new LoginRule(new EmbeddedAttempts(() => this.nowMs), limits)
  }

  /** One attempt. @returns 0 when it was let in, else how long it is told to wait, ms */
  async try(attempt: Parameters<LoginRule['admit']>[0], isRight: boolean): Promise<number> {
    const admission = await this.rule.admit(attempt)
    if (!admission.admitted) return admission.retryAfterSeconds * second
    await this.rule.close(admission.held, isRight ? 'right' : 'wrong')
    return 0
  }
}

function rateOf(text: string) {
  const rate = parseRate(text)
  if (rate === undefined) throw new Error(`'${text}' is no rate`)
  return rate
}

export interface OfficeFigures {
  people: number
  failures: number
  medianWaitSeconds: number
  maxWaitSeconds: number
}

/**
 * An office behind one address comes in the morning: nobody's device is known, and each types a wrong password now and then.
 * @param wrongShare how often a password is mistyped
 */
export async function simulateOffice(people = 330, withinMs = 30 * minute, wrongShare = 0.25): Promise<OfficeFigures> {
  const stage = new Stage()
  const began = stage.nowMs
  const random = randomOf(330, 0)
  const coming = Array.from({ length: people }, (_, n) => ({ n, at: began + random.between(0, withinMs), waitedMs: 0 }))
  const waits: number[] = []
  let failures = 0
  for (;;) {
    coming.sort((a, b) => a.at - b.at)
    const person = coming.shift()
    if (person === undefined) break
    stage.nowMs = Math.max(stage.nowMs, Math.floor(person.at))
    const isRight = !random.chance(wrongShare)
    const waitMs = await stage.try({ subject: `person ${person.n}`, network: '203.0.113.7' }, isRight)
    if (waitMs === 0 && isRight) {
      waits.push(person.waitedMs)
      continue
    }
    if (waitMs === 0) failures += 1
    // Who typed it wrong types again.
    const pauseMs = waitMs === 0 ? 10 * second : waitMs
    coming.push({ n: person.n, at: stage.nowMs + pauseMs, waitedMs: person.waitedMs + waitMs })
  }
  waits.sort((a, b) => a - b)
  return {
    people,
    failures,
    medianWaitSeconds: (waits[Math.floor(waits.length / 2)] ?? 0) / second,
    maxWaitSeconds: (waits.at(-1) ?? 0) / second,
  }
}

export interface AttackFigures {
  /** Passwords that were looked at, day by day. */
  guesses: number[]
  /** Sign-ins of the owner on a known device, one each ten minutes, and how many were refused. */
  ownerSignIns: number
  ownerRefused: number
}

/** So many addresses guess one account's password, each as fast as it is let. */
export async function simulateAttack(addresses = 1000, days = 7): Promise<AttackFigures> {
  const stage = new Stage()
  const began = stage.nowMs
  const networks = Array.from({ length: addresses }, (_, n) => `198.51.${Math.floor(n / 250)}.${n % 250}`)
  const guesses = Array.from({ length: days }, () => 0)
  let [ownerSignIns, ownerRefused, next] = [0, 0, 0]
  for (let ownerAt = began; stage.nowMs < began + days * day; ) {
    // Of the addresses in turn, as many as are let in at this moment; the owner has typed it wrong now and then.
    for (let errorResponses = 0; errorResponses < 4; next += 1) {
      const network = networks[next % networks.length] ?? ''
      const waitMs = await stage.try({ subject: 'alice', network }, false)
      const today = Math.floor((stage.nowMs - began) / day)
      if (waitMs === 0) guesses[today] = (guesses[today] ?? 0) + 1
      else errorResponses += 1
    }
    if (stage.nowMs >= ownerAt) {
      ownerAt += 10 * minute
      ownerSignIns += 1
      const owner = { subject: 'alice', network: networks[0] ?? '', device: 'known' }
      if (ownerSignIns % 6 === 0) await stage.try(owner, false)
      if ((await stage.try(owner, true)) > 0) ownerRefused += 1
    }
    stage.nowMs += 10 * second
  }
  return { guesses, ownerSignIns, ownerRefused }
}

export interface SprayFigures {
  /** Passwords that one address tried in a day, each of another account. */
  guesses: number
}

/** One address attempts one password for each of many accounts, for a day. */
export async function simulateSpray(): Promise<SprayFigures> {
  const stage = new Stage()
  const began = stage.nowMs
  let guesses = 0
  for (let n = 0; stage.nowMs < began + day; n += 1) {
    const waitMs = await stage.try({ subject: `person ${n}`, network: '198.51.100.7' }, false)
    if (waitMs === 0) guesses += 1
    stage.nowMs += waitMs
  }
  return { guesses }
}
