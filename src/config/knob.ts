// What a knob is: one setting with its name in the environment, its key in the file, its default and its meaning.
// Used by the tables of knobs only; it reads no environment.
import type { Kind } from './knob-kinds.ts'

export interface Knob<T> {
  /** The environment variable. */
  name: string
  /** The place in the file, dotted; undefined for what must not stand in a file. */
  key: string | undefined
  kind: Kind<T>
  /** The default as it would be written; undefined when there is none or it depends (`otherwise` says on what). */
  fallback: string | undefined
  /** The default in words, for README and editors. */
  otherwise: string
  meaning: string
  /** Its value is never shown. */
  secret: boolean
}

export interface Place {
  name: string
  key?: string
  meaning: string
  secret?: boolean
}

/** A knob that always has a value. */
export interface Fixed<T> extends Knob<T> {
  fallback: string
}

/** Makes a knob that always has a value. @param fallback the default, as it would be written */
export function fixed<T>(place: Place, kind: Kind<T>, fallback: string): Fixed<T> {
  return { key: undefined, secret: false, ...place, kind, fallback, otherwise: fallback }
}

/** Makes a knob without a fixed default. @param otherwise what holds then, in words */
export function open<T>(place: Place, kind: Kind<T>, otherwise: string): Knob<T> {
  return { key: undefined, secret: false, ...place, kind, fallback: undefined, otherwise }
}
