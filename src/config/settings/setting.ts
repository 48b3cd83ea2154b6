// A setting, with its name in the environment, its key in the file, its default and its meaning. It reads no environment.
import type { SettingKind } from './kinds.ts'

export interface Setting<T> {
  /** The environment variable. */
  name: string
  /** The place in the file, dotted; undefined for what must not stand in a file. */
  key: string | undefined
  kind: SettingKind<T>
  /** The default as it would be written; undefined when there is none or it depends (`otherwise` says on what). */
  fallback: string | undefined
  /** The default in words, for docs/reference.md and editors. */
  otherwise: string
  meaning: string
  /** Its value is never shown. */
  secret: boolean
}

export interface SettingPlace {
  name: string
  key?: string
  meaning: string
  secret?: boolean
}

/** A setting that always has a value. */
export interface Fixed<T> extends Setting<T> {
  fallback: string
}

/** Makes a setting that always has a value. @param fallback the default, as it would be written */
export function fixed<T>(place: SettingPlace, kind: SettingKind<T>, fallback: string): Fixed<T> {
  return { key: undefined, secret: false, ...place, kind, fallback, otherwise: fallback }
}

/** Makes a setting without a fixed default. @param otherwise what holds then, in words */
export function open<T>(place: SettingPlace, kind: SettingKind<T>, otherwise: string): Setting<T> {
  return { key: undefined, secret: false, ...place, kind, fallback: undefined, otherwise }
}
