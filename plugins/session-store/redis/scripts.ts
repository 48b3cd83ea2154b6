// The Lua verbs of the Redis store, read once. The texts are fixed: no value is ever written into one; values come by KEYS
// and ARGV only.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { StoreUnavailable } from '../port/store.ts'
import { type MeasuredVerb, measuredVerbs } from '../verb-latency.ts'

/** What a script is given. */
export type Argument = string | number | Buffer

/** A verb: its whole text and the name under which Redis keeps it. */
export interface Script {
  name: string
  /** The verb of the port that it is, where that is measured. */
  verb?: MeasuredVerb | undefined
  text: string
  sha1: string
  /** The same for servers of Redis 7 and newer, where it runs though memory is full. */
  whenFull?: { verb?: MeasuredVerb | undefined; text: string; sha1: string }
}

const session = ['nodes/clock', 'sessions/session']
const sessionOfPrimary = ['nodes/clock', 'nodes/primary', 'sessions/session']
const attempts = ['nodes/clock', 'attempts/budget']

// The last argument is the name of the call, which the response begins with (redis/calls.ts); the verb does not see it.
const beforeVerb = 'local call = table.remove(ARGV)\nlocal function verb()\n'
const afterVerb = 'end\nreturn { call, verb() }\n'

/** Every verb by name; each is documented at the head of its file in lua/. */
export const scripts = {
  appendEvents: load('log/append-events'),
  addUser: load('users/add', ['nodes/clock', 'nodes/primary']),
  addHits: load('log/add-uses', ['nodes/clock']),
  beginEpoch: whenFull('nodes/begin-epoch', ['nodes/clock']),
  restoreTombstone: whenFull('sessions/restore-tombstone', sessionOfPrimary),
  changeUser: whenFull('users/change', ['nodes/primary']),
  create: load('sessions/create', sessionOfPrimary),
  markDelivered: whenFull('sessions/mark-delivered', session),
  end: whenFull('sessions/end', session),
  endAll: whenFull('sessions/end-all', session),
  endEveryone: whenFull('log/end-everyone', session),
  giveBack: load('attempts/give-back', attempts),
  heartbeat: load('nodes/heartbeat'),
  leaveAdministrators: load('users/leave-administrators'),
  list: load('sessions/list', session),
  appendTimeline: load('sessions/append-timeline'),
  publish: whenFull('log/publish', session),
  read: load('sessions/read', session),
  rehashUser: load('users/rehash'),
  removeKey: whenFull('keys/remove', ['nodes/clock', 'nodes/primary']),
  replaceKey: load('keys/replace'),
  restoreKeys: whenFull('keys/restore', ['nodes/primary']),
  restoreLog: whenFull('log/restore', sessionOfPrimary),
  restoreUser: whenFull('users/restore', ['nodes/primary']),
  rotate: whenFull('sessions/rotate', sessionOfPrimary),
  takeAttempt: load('attempts/take', attempts),
} as const

function load(name: string, before: readonly string[] = []): Script {
  // `sessions/end-all` is `endAll`.
  const camelCase = name.replace(/^.*\//, '').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const verb = measuredVerbs.find((one) => one === camelCase)
  return { name, verb, ...named([...before.map(read), beforeVerb, read(name), afterVerb].join('')) }
}

function read(file: string): string {
  return readFileSync(new URL(`lua/${file}.lua`, import.meta.url), 'utf8')
}

// A verb that ends something, or makes nothing larger: it works while Redis has no memory left, which ending frees. Redis 7 has a
// word for that in the first line of a script; an older one takes it for a mistake.
function whenFull(name: string, before: readonly string[] = []): Script {
  const script = load(name, before)
  return { ...script, whenFull: { verb: script.verb, ...named(`#!lua flags=allow-oom\n${script.text}`) } }
}

function named(text: string): { text: string; sha1: string } {
  return { text, sha1: createHash('sha1').update(text).digest('hex') }
}

/** Whether a server refused a script because it does not know its text. */
export function isNoScript(error: unknown): boolean {
  const cause = error instanceof StoreUnavailable ? error.cause : error
  return cause instanceof Error && cause.message.startsWith('NOSCRIPT')
}
