// The life of a session: a device and perhaps a thief, step by step in time, against one design. What they do is drawn
// beforehand (population.ts); only what they get depends on the design.
import { type Figures, newFigures, type Violation } from './figures.ts'
import type { HeldSession, RefreshResponse, Start, Token } from './policies.ts'
import { type Device, deviceOf, type Step, stepsOf, type Theft, theftOf } from './population.ts'
import { randomOf } from './random.ts'

export interface PopulationSettings {
  sessions: number
  days: number
  seed: number
}

/** Plays the whole population against a design. */
export function simulate(start: Start, { sessions, days, seed }: PopulationSettings): Figures {
  const figures = newFigures()
  const endMs = days * 24 * 3600 * 1000
  for (let index = 0; index < sessions; index += 1) {
    const random = randomOf(seed, index)
    const device = deviceOf(random)
    const theft = theftOf(device, random, endMs)
    const life = new Life(start, device, figures)
    const thief = theft && new Thief(theft, life, figures)
    for (const step of stepsOf(device, random, endMs)) {
      thief?.until(step.atMs)
      thief?.watch(step, () => life.take(step))
      if (!thief) life.take(step)
    }
    thief?.until(endMs)
    thief?.conclude()
  }
  return figures
}

/** A login: one session, and whether a thief has presented a token of it. */
interface Login {
  session: HeldSession
  isRobbed: boolean
  /** When it was ended for reuse, ms. */
  exposedAtMs?: number
}

/** A device and its jar: the token it will present next. */
class Life {
  readonly #start: Start
  readonly #device: Device
  readonly #figures: Figures
  login: Login
  jar: Token
  #wasResponseLost = false
  #late: { token: Token; atMs: number; login: Login } | undefined

  constructor(start: Start, device: Device, figures: Figures) {
    this.#start = start
    this.#device = device
    this.#figures = figures
    const { session, token } = start(0, device.inCookie)
    this.login = { session, isRobbed: false }
    this.jar = token
    session.seen(token)
  }

  take(step: Step): void {
    const late = this.#late
    if (late && late.atMs <= step.atMs) {
      this.#late = undefined
      if (late.login === this.login) this.#keep(late.token)
    }
    if (step.kind === 'race') this.#race(step)
    else this.#refresh(step)
  }

  #refresh({ atMs, isResponseLost, lateByMs }: Extract<Step, { kind: 'refresh' }>): void {
    const { login } = this
    this.#figures.refreshes += 1
    const response = login.session.present(this.jar, atMs, this.#device.client)
    const token = this.#tokenOf(response, atMs, this.#wasResponseLost ? 'retry' : 'olderResponse')
    // Whoever was refused has signed in meanwhile.
    this.#wasResponseLost = isResponseLost && login === this.login
    if (isResponseLost) this.#figures.lostResponses += 1
    if (token && lateByMs !== undefined) this.#late = { token, atMs: atMs + lateByMs, login: this.login }
    else if (token && !isResponseLost) this.#keep(token)
  }

  // In the order in which it happens: what one tab is answered can be what the next one sends.
  #race({ atMs, tabs }: Extract<Step, { kind: 'race' }>): void {
    const { login } = this
    const held = new Map<number, Token>()
    this.#figures.races += 1
    const violation = this.#wasResponseLost ? 'retry' : 'tab'
    this.#wasResponseLost = false
    for (const { afterMs, tab, what } of inOrder(tabs)) {
      const token = held.get(tab)
      if (what === 'sent') held.set(tab, this.jar)
      else if (token && what === 'answered') this.#keep(token)
      else if (token) this.#arrive(held, tab, token, atMs + afterMs, violation)
      // A tab that was refused asks for the password, and the others go on with what comes of that.
      if (login !== this.login) return
    }
  }

  #arrive(held: Map<number, Token>, tab: number, token: Token, atMs: number, violation: Violation): void {
    this.#figures.refreshes += 1
    const response = this.login.session.present(token, atMs, this.#device.client)
    const given = this.#tokenOf(response, atMs, violation)
    if (given) held.set(tab, given)
  }

  // A response has arrived: the token is kept, and the access token beside it is used.
  #keep(token: Token): void {
    this.jar = token
    this.login.session.seen(token)
  }

  #tokenOf(response: RefreshResponse, atMs: number, violation: Violation): Token | undefined {
    if (response.outcome === 'granted') return response.token
    if (response.outcome === 'reused' && this.login.isRobbed) this.login.exposedAtMs = atMs
    else if (response.outcome === 'reused') this.#figures.honestLogouts[violation] += 1
    if (response.outcome === 'expired') this.#figures.idleLogouts += 1
    this.#signIn(atMs)
    return undefined
  }

  #signIn(atMs: number): void {
    const { session, token } = this.#start(atMs, this.#device.inCookie)
    this.login = { session, isRobbed: false }
    this.#keep(token)
  }
}

type Moment = 'sent' | 'arrives' | 'answered'

function inOrder(tabs: readonly Extract<Step, { kind: 'race' }>['tabs'][number][]) {
  const moments: { afterMs: number; tab: number; what: Moment }[] = []
  for (const [tab, { sentAfterMs, arrivesAfterMs, respondedAfterMs }] of tabs.entries()) {
    moments.push({ afterMs: sentAfterMs, tab, what: 'sent' })
    moments.push({ afterMs: arrivesAfterMs, tab, what: 'arrives' })
    moments.push({ afterMs: respondedAfterMs, tab, what: 'answered' })
  }
  return moments.sort((a, b) => a.afterMs - b.afterMs)
}

const thiefRefreshesEveryMs = 30 * 60 * 1000

/** A thief: copies a token once, and works with what it gets until it gets nothing more. A shadow copies again and again. */
class Thief {
  readonly #theft: Theft
  readonly #life: Life
  readonly #figures: Figures
  #victim: Login | undefined
  #token: Token | undefined
  #nextMs = Number.POSITIVE_INFINITY
  #firstGrantMs: number | undefined
  #wasRefused = false
  #lastStepMs = 0

  constructor(theft: Theft, life: Life, figures: Figures) {
    this.#theft = theft
    this.#life = life
    this.#figures = figures
  }

  /** Lets the device take a step, and copies what there is to copy. */
  watch(step: Step, take: () => void): void {
    const { kind, atMs, isCopiedAfter, replaysAfterMs, leadMs } = this.#theft
    if (leadMs !== undefined) this.#present(Math.max(this.#lastStepMs, step.atMs - leadMs))
    this.#lastStepMs = step.atMs
    const { login, jar } = this.#life
    take()
    if (step.atMs < atMs) return
    const isFirst = this.#victim === undefined
    if (!isFirst && (kind !== 'shadow' || this.#life.login !== this.#victim || this.#wasRefused)) return
    this.#victim = isCopiedAfter ? this.#life.login : login
    this.#token = isCopiedAfter ? this.#life.jar : jar
    this.#nextMs = step.atMs + replaysAfterMs
  }

  /** Does what the thief does before this time. */
  until(endMs: number): void {
    while (this.#nextMs < endMs) this.#present(this.#nextMs)
  }

  /** Counts what became of the theft. */
  conclude(): void {
    const figures = this.#figures.thefts[this.#theft.kind]
    const exposedAtMs = this.#victim?.exposedAtMs
    if (this.#firstGrantMs === undefined) figures.refused += Number(this.#wasRefused)
    else if (exposedAtMs === undefined) figures.missed += 1
    else figures.exposedAfterMs.push(exposedAtMs - this.#firstGrantMs)
  }

  #present(atMs: number): void {
    const [victim, token] = [this.#victim, this.#token]
    this.#nextMs = Number.POSITIVE_INFINITY
    if (!victim || !token) return
    victim.isRobbed = true
    const response = victim.session.present(token, atMs, this.#theft.client)
    if (response.outcome === 'granted') this.#take(victim, response.token, atMs)
    else this.#wasRefused = true
    if (response.outcome === 'reused') victim.exposedAtMs = atMs
  }

  #take(victim: Login, token: Token, atMs: number): void {
    this.#token = token
    this.#firstGrantMs ??= atMs
    // Who comes first each time uses nothing: it would be found out by that.
    if (this.#theft.leadMs !== undefined) return
    victim.session.seen(token)
    if (this.#theft.kind !== 'shadow') this.#nextMs = atMs + thiefRefreshesEveryMs
  }
}
