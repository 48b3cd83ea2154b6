// The things that happen to refresh tokens, played over HTTP against a product. Owner and thief do the same with every product,
// and wait until its window is over where a history says "later". test/simulator/scenarios.ts plays them against designs.
import { setTimeout as delay } from 'node:timers/promises'
import type { Product, TokenPair } from './product.ts'

// Products keep whole seconds.
const beyondTheWindowMs = 1500
const rounds = 3

/** Plays a history against a product. @returns how it went */
type Play = (product: Product) => Promise<string>

/** Every history by its title, in the order of the table. */
export const histories: Record<string, Play> = {
  'the response was lost, the client retries at once': (product) => retryOfLost(product, 0),
  'the response was lost, the client retries later': (product) => retryOfLost(product, later(product)),
  'two tabs refresh with one token at the same time': twoTabs,
  'a thief replays a token after the client has gone on': thiefLater,
  'a thief refreshes before the client, each time, and uses nothing': (product) => thiefFirst(product, false),
  'a thief refreshes before the client, each time, and uses the access token': (product) => thiefFirst(product, true),
  'a thief refreshes a moment before the client, each time': thiefRacing,
  'the owner’s access token, once a replay was noticed': accessAfterReplay,
}

/**
 * Plays every history against a product, all at once: each has a session of its own.
 * @returns how each went, in the order of the histories
 */
export function playAll(product: Product): Promise<string[]> {
  return Promise.all(Object.values(histories).map((play) => play(product)))
}

function later({ windowMs }: Product): number {
  return windowMs + beyondTheWindowMs
}

async function retryOfLost(product: Product, afterMs: number): Promise<string> {
  const owner = await signedIn(product)
  await product.refresh(owner.refreshToken)
  await delay(afterMs)
  const retried = await product.refresh(owner.refreshToken)
  return outcomeOf(await goesOn(product, retried))
}

async function twoTabs(product: Product): Promise<string> {
  const owner = await signedIn(product)
  const both = await Promise.all([product.refresh(owner.refreshToken), product.refresh(owner.refreshToken)])
  // A browser keeps one cookie for both: what came last.
  return outcomeOf(await goesOn(product, both[1] ?? both[0]))
}

async function thiefLater(product: Product): Promise<string> {
  const first = await signedIn(product)
  const thief = new Thief(product, first)
  const owner = await refreshed(product, first)
  await delay(later(product))
  await thief.refresh()
  await delay(later(product))
  return outcomeOfTheft(await goesOn(product, owner), await thief.refresh())
}

async function thiefFirst(product: Product, usesToken: boolean): Promise<string> {
  let owner: TokenPair | undefined = await signedIn(product)
  const thief = new Thief(product, owner)
  for (let round = 1; owner && round <= rounds; round += 1) {
    await delay(later(product))
    const stolen = await thief.refresh()
    if (stolen && usesToken) await product.use(stolen.accessToken)
    await delay(later(product))
    owner = await refreshed(product, owner)
  }
  await delay(later(product))
  const ofThief = await thief.refresh()
  return outcomeOfTheft(await goesOn(product, owner), ofThief)
}

// So close that the thief is within every window, each time.
async function thiefRacing(product: Product): Promise<string> {
  let owner: TokenPair | undefined = await signedIn(product)
  const thief = new Thief(product, owner)
  for (let round = 1; owner && round <= rounds; round += 1) {
    await delay(later(product))
    await thief.refresh()
    owner = await refreshed(product, owner)
  }
  const ofThief = await thief.refresh()
  return outcomeOfTheft(await goesOn(product, owner), ofThief)
}

async function accessAfterReplay(product: Product): Promise<string> {
  const first = await signedIn(product)
  const owner = await refreshed(product, first)
  await delay(later(product))
  const replayed = await product.refresh(first.refreshToken)
  if (replayed) return 'not noticed'
  return (await product.use(owner?.accessToken ?? '')) ? 'still let in' : 'refused'
}

/** Whoever copied a token: when the newest is refused, it tries every older one it holds. */
class Thief {
  readonly #product: Product
  readonly #held: TokenPair[]

  constructor(product: Product, copied: TokenPair) {
    this.#product = product
    this.#held = [copied]
  }

  async refresh(): Promise<TokenPair | undefined> {
    for (const { refreshToken } of this.#held) {
      const given = await this.#product.refresh(refreshToken)
      if (!given) continue
      this.#held.unshift(given)
      return given
    }
    return undefined
  }
}

// A product that turns down its own tokens would look as one that finds every thief.
async function signedIn(product: Product): Promise<TokenPair> {
  const pair = await product.signIn()
  if (!(await product.use(pair.accessToken))) throw new Error(`${product.name} refuses an access token of a sign-in`)
  return pair
}

async function refreshed(product: Product, held: TokenPair | undefined): Promise<TokenPair | undefined> {
  const given = held && (await product.refresh(held.refreshToken))
  if (given) await product.use(given.accessToken)
  return given
}

async function goesOn(product: Product, held: TokenPair | undefined): Promise<boolean> {
  const given = held && (await refreshed(product, held))
  return given !== undefined && (await product.refresh(given.refreshToken)) !== undefined
}

function outcomeOf(isIn: boolean): string {
  return isIn ? 'client goes on' : 'client logged out'
}

function outcomeOfTheft(isOwnerIn: boolean, ofThief: TokenPair | undefined): string {
  if (!isOwnerIn) return ofThief ? 'client logged out, thief goes on' : 'session ended for both'
  return ofThief ? 'both go on' : 'client goes on, thief out'
}
