// A value that others can watch: what the parts of the page share (who is signed in, whether it is live, which theme).
import { useEffect, useState } from 'preact/hooks'

/**
 * @template T
 * @typedef {object} Observable
 * @property {() => T} get
 * @property {(value: T) => void} set tells the listeners if the value is another one
 * @property {(listener: (value: T) => void) => () => void} subscribe returns what ends the subscription
 */

/**
 * Makes a value that can be watched.
 * @template T
 * @param {T} initial
 * @returns {Observable<T>}
 */
export function observable(initial) {
  let current = initial
  /** @type {Set<(value: T) => void>} */
  const listeners = new Set()
  return {
    get: () => current,
    set: (value) => {
      if (Object.is(value, current)) return
      current = value
      for (const listener of [...listeners]) listener(value)
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/**
 * A component's view of an observable: drawn again when it changes.
 * @template T
 * @param {Observable<T>} source
 * @returns {T}
 */
export function useObservable(source) {
  const [value, setValue] = useState(source.get)
  useEffect(() => {
    // It may have changed between drawing and watching.
    setValue(() => source.get())
    return source.subscribe((next) => setValue(() => next))
  }, [source])
  return value
}
