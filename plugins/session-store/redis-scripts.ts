// The Lua verbs of the Redis store, read once. Called by the redis-*.ts files of this room. The texts are fixed: no value is
// ever written into one; values come by KEYS and ARGV only.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { StoreUnavailable } from './store.ts'

/** A verb: its whole text and the name under which Redis keeps it. */
export interface Script {
  name: string
  text: string
  sha1: string
  /** The same for servers of Redis 7 and newer, where it runs though memory is full. */
  whenFull?: { text: string; sha1: string }
}

const session = ['clock', 'session']
const sessionOfPrimary = ['clock', 'primary', 'session']
const tries = ['clock', 'tries']

// The last argument is the name of the call, which the response begins with (redis-calls.ts); the verb does not see it.
const beforeVerb = 'local call = table.remove(ARGV)\nlocal function verb()\n'
const afterVerb = 'end\nreturn { call, verb() }\n'

/** Every verb by name; each is documented at the head of its file in lua/. */
export const scripts = {
  appendEvents: load('append-events'),
  addUser: load('add-user', ['clock', 'primary']),
  addUses: load('add-uses', ['clock']),
  beginEpoch: whenFull('begin-epoch', ['clock']),
  bury: whenFull('bury', sessionOfPrimary),
  changeUser: whenFull('change-user', ['primary']),
  create: load('create', sessionOfPrimary),
  deliver: whenFull('deliver', session),
  end: whenFull('end', session),
  endAll: whenFull('end-all', session),
  endEveryone: whenFull('end-everyone', session),
  giveBack: load('give-back', tries),
  heartbeat: load('heartbeat'),
  leaveAdministrators: load('leave-administrators'),
  list: load('list', session),
  mark: load('mark'),
  publish: whenFull('publish', session),
  read: load('read', session),
  rehashUser: load('rehash-user'),
  removeKey: whenFull('remove-key', ['clock', 'primary']),
  replaceKey: load('replace-key'),
  restoreKeys: whenFull('restore-keys', ['primary']),
  restoreLog: whenFull('restore-log', sessionOfPrimary),
  restoreUser: whenFull('restore-user', ['primary']),
  rotate: whenFull('rotate', sessionOfPrimary),
  takeTries: load('take-tries', tries),
} as const

function load(name: string, before: readonly string[] = []): Script {
  return { name, ...named([...before.map(read), beforeVerb, read(name), afterVerb].join('')) }
}

function read(file: string): string {
  return readFileSync(new URL(`lua/${file}.lua`, import.meta.url), 'utf8')
}

// A verb that ends something, or makes nothing larger: it works while Redis has no memory left, which ending frees. Redis 7 has a
// word for that in the first line of a script; an older one takes it for a mistake.
function whenFull(name: string, before: readonly string[] = []): Script {
  const script = load(name, before)
  return { ...script, whenFull: named(`#!lua flags=allow-oom\n${script.text}`) }
}

function named(text: string): { text: string; sha1: string } {
  return { text, sha1: createHash('sha1').update(text).digest('hex') }
}

/** Whether a server refused a script because it does not know its text. */
export function isNoScript(error: unknown): boolean {
  const cause = error instanceof StoreUnavailable ? error.cause : error
  return cause instanceof Error && cause.message.startsWith('NOSCRIPT')
}
