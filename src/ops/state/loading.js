// The state of what a view asks the gateway for: the value, whether it is being asked for, what went wrong. A response that
// comes after the question has changed is dropped; an old value stays in view while a newer one is fetched, as it is after
// every time the page was not live.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { streamsOpened } from './live.js'

/**
 * @template T
 * @typedef {object} Loaded
 * @property {T | undefined} value
 * @property {Error | undefined} error of the last attempt
 * @property {boolean} isLoading
 * @property {() => void} reload
 * @property {(change: (value: T) => T) => void} change alters the value in place of asking again
 */

/**
 * Loads when the key changes, again every so often, and on demand.
 * @template T
 * @param {string} key names the question; another key forgets the old response
 * @param {() => Promise<T>} load
 * @param {number} [everyMs] asks again after this time while the page is seen
 * @returns {Loaded<T>}
 */
export function useLoaded(key, load, everyMs) {
  const [state, setState] = useState(/** @type {State<T>} */ ({ key, isLoading: true }))
  const question = useRef(/** @type {Question<T>} */ ({ key, load, serial: 0, missed: [] }))
  question.current.key = key
  question.current.load = load

  const reload = useCallback(() => void ask(question.current, setState), [])
  const change = useCallback((/** @type {(value: T) => T} */ alter) => {
    // The response that is under way may not know of it yet: it is told, too.
    if (question.current.asking !== undefined) question.current.missed.push(alter)
    setState((old) => (old.value === undefined ? old : { ...old, value: alter(old.value) }))
  }, [])
  useEffect(reload, [key])
  useEffect(() => streamsOpened.subscribe(reload), [])
  useEffect(() => repeat(reload, everyMs), [everyMs])
  useEffect(() => () => clearTimeout(question.current.timer), [])

  // Drawn for another key than it was loaded for: nothing of the old response may show.
  const isOld = state.key !== key
  return {
    value: isOld ? undefined : state.value,
    error: isOld ? undefined : state.error,
    isLoading: isOld || state.isLoading,
    reload,
    change,
  }
}

/**
 * @template T
 * @typedef {{ key: string, value?: T, error?: Error, isLoading: boolean }} State
 */

/**
 * @template T
 * @typedef {object} Question
 * @property {string} key
 * @property {() => Promise<T>} load
 * @property {number} serial of the newest request
 * @property {string} [asking] key of the request that is under way
 * @property {boolean} [isWantedAgain] somebody asked meanwhile
 * @property {ReturnType<typeof setTimeout>} [timer] of the request after this one
 * @property {((value: T) => T)[]} missed changes since the request began
 */

/** One request at a time: what is asked for meanwhile is asked once more, this much later. In ms. */
const againAfterMs = 1000

/**
 * @template T
 * @param {Question<T>} question
 * @param {(change: (old: State<T>) => State<T>) => void} setState
 */
async function ask(question, setState) {
  const { key } = question
  if (question.asking === key) {
    question.isWantedAgain = true
    return
  }
  const serial = ++question.serial
  Object.assign(question, { asking: key, missed: [], isWantedAgain: false })
  setState((old) => ({ ...(old.key === key ? old : { key }), isLoading: true }))
  const response = await responseOf(question.load)
  if (serial !== question.serial) return
  question.asking = undefined
  setState((old) => ({ ...old, key, error: undefined, ...response(question.missed), isLoading: false }))
  if (question.isWantedAgain) question.timer = setTimeout(() => void ask(question, setState), againAfterMs)
}

/**
 * @template T
 * @param {() => Promise<T>} load
 * @returns {Promise<(missed: ((value: T) => T)[]) => { value?: T, error?: Error }>}
 */
async function responseOf(load) {
  try {
    const loaded = await load()
    return (missed) => {
      /** @type {T} */
      let value = loaded
      for (const alter of missed) value = alter(value)
      return { value }
    }
  } catch (error) {
    return () => ({ error: error instanceof Error ? error : new Error(String(error)) })
  }
}

/**
 * @param {() => void} reload
 * @param {number | undefined} everyMs
 */
function repeat(reload, everyMs) {
  if (everyMs === undefined) return
  const timer = setInterval(() => document.visibilityState === 'visible' && reload(), everyMs)
  return () => clearInterval(timer)
}
