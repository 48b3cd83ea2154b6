// The config file: read, parsed (YAML 1.2, of which JSON is a part) and held together with its line numbers. It checks the
// writing only, never the meaning, and bounds what a file can cost.
import { dirname } from 'node:path'
import { isMap, isNode, LineCounter, parseDocument } from 'yaml'
import { readBoundedFile, UnusableFile } from '../../plugins/files/bounded-file.ts'

/** Keys and list positions from the top of the file to a value. */
export type Path = readonly (string | number)[]

export interface ConfigFile {
  /** Where the relative paths in it begin. */
  folder: string
  /** What the file holds, as it is written; an empty file holds an empty object. */
  value: unknown
  /** Where a value stands, for a person: `cardea.config.yaml:5 routes[0].policy`. */
  place(path: Path): string
}

export type ReadOutcome =
  | { outcome: 'read'; file: ConfigFile }
  | { outcome: 'absent' }
  /** The file cannot be used; one sentence each. */
  | { outcome: 'wrong'; violations: string[] }

const limitBytes = 1024 * 1024
// An alias is a fair way not to write a policy twice; a document that multiplies itself by them is not.
const maxAliases = 100

/**
 * Reads a config file.
 * @param path where it lies
 * @param name what to call it in mistakes
 * @returns the file, `absent` when there is none, or what is wrong with its writing
 */
export function readConfigFile(path: string, name: string): ReadOutcome {
  let bytes: Buffer
  try {
    bytes = readBoundedFile(path, limitBytes)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { outcome: 'absent' }
    const why = error instanceof UnusableFile ? error.message : `cannot be read (${codeOf(error)})`
    return { outcome: 'wrong', violations: [`${name} ${why}: make it a file that this user may read`] }
  }
  return parseConfig(bytes, name, dirname(path))
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

function parseConfig(bytes: Buffer, name: string, folder: string): ReadOutcome {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { outcome: 'wrong', violations: [`${name} is not UTF-8: save it as UTF-8`] }
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2', uniqueKeys: true })
  const lineAt = (offset: number) => lines.linePos(offset).line
  // A warning (an unknown tag, say) means that a value was not read as it was written: that is a mistake here.
  const problems = [...document.errors, ...document.warnings]
  const violations = problems.map(({ pos, message }) => `${name}:${lineAt(pos[0])} ${message}`)
  if (violations.length > 0) return { outcome: 'wrong', violations }
  try {
    const value: unknown = document.toJS({ maxAliasCount: maxAliases }) ?? {}
    return { outcome: 'read', file: { folder, value, place: (path) => placeOf(document.contents, path, name, lineAt) } }
  } catch (error) {
    return {
      outcome: 'wrong',
      violations: [`${name}: ${error instanceof Error ? error.message : 'cannot be resolved'}`],
    }
  }
}

function placeOf(contents: unknown, path: Path, name: string, lineAt: (offset: number) => number): string {
  const offset = offsetOf(contents, path)
  const at = offset === undefined ? name : `${name}:${lineAt(offset)}`
  return path.length === 0 ? at : `${at} ${writePath(path)}`
}

// The nearest written thing: a key where there is one, else the value; what is missing stands where its parent does.
function offsetOf(contents: unknown, path: Path): number | undefined {
  let node: unknown = contents
  let offset = isNode(node) ? node.range?.[0] : undefined
  for (const step of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => isNode(key) && String(key) === String(step)) : undefined
    const next: unknown = pair ? pair.value : isNode(node) && 'get' in node ? getIn(node, step) : undefined
    const start = pair && isNode(pair.key) ? pair.key.range?.[0] : isNode(next) ? next.range?.[0] : undefined
    if (start === undefined) break
    offset = start
    node = next
  }
  return offset
}

function getIn(node: object, step: string | number): unknown {
  return 'get' in node && typeof node.get === 'function' ? node.get(step, true) : undefined
}

/**
 * Writes a path as people read it.
 * @param path `['routes', 0, 'policy']`
 * @returns `routes[0].policy`
 */
function writePath(path: Path): string {
  return path.map((step, at) => (typeof step === 'number' ? `[${step}]` : at === 0 ? step : `.${step}`)).join('')
}

/**
 * The value at a path.
 * @param value what a file holds
 * @returns undefined when there is nothing
 */
export function valueAt(value: unknown, path: Path): unknown {
  let at: unknown = value
  for (const step of path) {
    at = typeof at === 'object' && at !== null ? Object.getOwnPropertyDescriptor(at, step)?.value : undefined
  }
  return at
}
