// The Lua verbs of the Redis store, read once. Called by the redis-*.ts files of this room. The texts are fixed: no value is
// ever written into one; values come by KEYS and ARGV only.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A verb: its whole text and the name under which Redis keeps it. */
export interface Script {
  name: string
  text: string
  sha1: string
}

const session = ['clock', 'session']
const sessionOfPrimary = ['clock', 'primary', 'session']
const tries = ['clock', 'tries']

/** Every verb by name; each is documented at the head of its file in lua/. */
export const scripts = {
  appendEvents: load('append-events'),
  addUser: load('add-user', ['clock']),
  addUses: load('add-uses', ['clock']),
  beginEpoch: load('begin-epoch', ['clock']),
  bury: load('bury', sessionOfPrimary),
  changeUser: load('change-user'),
  create: load('create', session),
  deliver: load('deliver', session),
  end: load('end', session),
  endAll: load('end-all', session),
  endEveryone: load('end-everyone', session),
  giveBack: load('give-back', tries),
  heartbeat: load('heartbeat'),
  list: load('list', session),
  mark: load('mark'),
  publish: load('publish', session),
  read: load('read', session),
  rehashUser: load('rehash-user'),
  replaceKey: load('replace-key'),
  restoreLog: load('restore-log', sessionOfPrimary),
  rotate: load('rotate', sessionOfPrimary),
  takeTries: load('take-tries', tries),
} as const

function load(name: string, before: readonly string[] = []): Script {
  const texts = [...before, name].map((file) => readFileSync(new URL(`lua/${file}.lua`, import.meta.url), 'utf8'))
  const text = texts.join('')
  return { name, text, sha1: createHash('sha1').update(text).digest('hex') }
}
