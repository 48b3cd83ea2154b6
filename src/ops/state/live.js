// The live stream of the gateway: what happens, as it happens. It knows at every moment whether it is live, says so, and
// comes back by itself: at once when the network does, else after ever longer waits. A silent stream counts as a dead one.
import { eventStreamReader } from './event-stream.js'
import { openEventStream } from './gateway.js'
import { observable } from './observable.js'

/**
 * @typedef {object} LiveState
 * @property {'off' | 'connecting' | 'live' | 'waiting'} state
 * @property {number} [heardAtMs] when something was last heard
 * @property {number} [retryAtMs] when the next attempt begins; in `waiting`
 * @property {string} [because] in `waiting`
 */

/** The gateway says something every two seconds; after this long without a word the stream is dead. */
const silenceLimitMs = 10_000
/** A stream that lived this long and was ended properly (an access token expired) is followed by the next without a word. */
const properLifeMs = 5000
const firstWaitMs = 1000
const maxWaitMs = 30_000

/** Whether the page is live. */
export const live = observable(/** @type {LiveState} */ ({ state: 'off' }))

/** Counts the streams so far: at each new one, what was missed between it and the one before has to be asked for. */
export const streamsOpened = observable(0)

/** @type {Set<(event: import('./wire.ts').EventView) => void>} */
const eventListeners = new Set()
/** @type {Set<(usage: import('./wire.ts').CountDelta) => void>} */
const auditListeners = new Set()

/** @type {AbortController | undefined} ends the stream of now */
let current
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer
let failures = 0
/** @type {number | undefined} */
let heardAtMs

/** Begins to listen. */
export function goLive() {
  if (current) return
  current = new AbortController()
  addEventListener('online', tryNow)
  document.addEventListener('visibilitychange', tryNowIfSeen)
  void listen(current)
}

/** Stops listening, for good. */
export function stopLive() {
  current?.abort()
  current = undefined
  failures = 0
  clearTimeout(timer)
  removeEventListener('online', tryNow)
  document.removeEventListener('visibilitychange', tryNowIfSeen)
  live.set({ state: 'off' })
}

/** Ends the waiting. */
export function tryNow() {
  if (!current || live.get().state !== 'waiting') return
  clearTimeout(timer)
  current = new AbortController()
  void listen(current)
}

/**
 * Calls back for every event that arrives.
 * @param {(event: import('./wire.ts').EventView) => void} listener
 * @returns {() => void} ends it
 */
export function onEvent(listener) {
  eventListeners.add(listener)
  return () => eventListeners.delete(listener)
}

/**
 * Calls back for every count that arrives.
 * @param {(usage: import('./wire.ts').CountDelta) => void} listener
 * @returns {() => void} ends it
 */
export function onAudit(listener) {
  auditListeners.add(listener)
  return () => auditListeners.delete(listener)
}

function tryNowIfSeen() {
  if (document.visibilityState === 'visible') tryNow()
}

/** @param {AbortController} own the stream's; another one may have taken its place meanwhile */
async function listen(own) {
  if (live.get().state !== 'live') live.set({ state: 'connecting', ...heardPart() })
  const beganAtMs = Date.now()
  let because = 'The gateway ended the stream.'
  try {
    await follow(own)
    if (current === own && Date.now() - beganAtMs > properLifeMs) return void listen(own)
  } catch (error) {
    because = own.signal.reason instanceof Error ? own.signal.reason.message : messageOf(error)
  }
  if (current === own) wait(because)
}

/** @param {AbortController} own */
async function follow(own) {
  const silence = new Watch(() => own.abort(new Error('The stream fell silent.')))
  try {
    const response = await openEventStream(own.signal)
    if (!response.body) return
    const read = eventStreamReader()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let isNew = true
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      silence.restart()
      heard()
      for (const event of read(part.value)) {
        deliver(event)
        // Counts come after the gateway has begun to look for this reader: what happened before is in the pages by now.
        if (isNew && event.type === 'usage') streamsOpened.set(streamsOpened.get() + 1)
        isNew &&= event.type !== 'usage'
      }
    }
  } finally {
    silence.end()
  }
}

function heard() {
  failures = 0
  heardAtMs = Date.now()
  if (live.get().state !== 'live') live.set({ state: 'live' })
}

/** @param {string} because */
function wait(because) {
  const waitMs = Math.min(firstWaitMs * 2 ** failures, maxWaitMs)
  // Pages that lost one gateway together do not come back together.
  const delayMs = waitMs * (0.75 + Math.random() / 2)
  failures += 1
  live.set({ state: 'waiting', because, retryAtMs: Date.now() + delayMs, ...heardPart() })
  timer = setTimeout(tryNow, delayMs)
}

function heardPart() {
  return heardAtMs === undefined ? {} : { heardAtMs }
}

/** @param {import('./event-stream.js').StreamedEvent} streamed */
function deliver({ type, data }) {
  if (type === 'event') for (const listener of [...eventListeners]) listener(JSON.parse(data))
  if (type === 'usage') for (const listener of [...auditListeners]) listener(JSON.parse(data))
}

/** @param {unknown} error */
function messageOf(error) {
  // A connection that breaks in the middle is a TypeError whose words differ from browser to browser.
  if (error instanceof TypeError || !(error instanceof Error)) return 'The connection was lost.'
  return error.message
}

/** Calls back once nothing has happened for long enough. */
class Watch {
  /** @param {() => void} onSilence */
  constructor(onSilence) {
    this.onSilence = onSilence
    this.timer = setTimeout(onSilence, silenceLimitMs)
  }

  restart() {
    this.end()
    this.timer = setTimeout(this.onSilence, silenceLimitMs)
  }

  end() {
    clearTimeout(this.timer)
  }
}
