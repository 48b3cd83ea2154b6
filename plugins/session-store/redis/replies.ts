// The replies of the scripts of sessions: lists of texts, the first of them often a word. A word that is not expected is a
// fault of ours and is said so, never taken for another.

import { StoreUnavailable } from '../port/store.ts'

/** The list a script answered. */
export function readReply(reply: unknown): Buffer[] {
  // Boundary: every script of a session answers a list of texts.
  return reply as Buffer[]
}

const nothing: ReadonlySet<string> = new Set(['unknown', 'not_live', 'user_changed'])

/** Whether a script found none of what it was asked about: a list or a count that is empty, or a word for it. */
export function saysNothing([first, ...more]: readonly Buffer[]): boolean {
  return more.length === 0 && (first === undefined || /^\d+$/.test(String(first)) || nothing.has(String(first)))
}

/**
 * Of a script that is meant for certain primaries.
 * @throws StoreUnavailable when another one answered, and nothing was done
 */
export function assertThere(reply: unknown): void {
  if (String(reply) === 'elsewhere') throw new StoreUnavailable('Redis: another primary answers by now')
}

/** Whether a script refused because the session that it is about cannot be read (sessions/session.lua: find). */
export function saysUnreadable(error: unknown): boolean {
  return error instanceof StoreUnavailable && error.message.includes('this session is in a layout that')
}

/** A list of texts two by two. */
export function pairs(list: readonly Buffer[]): [Buffer, Buffer][] {
  const empty = Buffer.alloc(0)
  return Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i] ?? empty, list[2 * i + 1] ?? empty])
}

/**
 * The one place where a script's word becomes a member of the port's unions.
 * @throws Error for any other word
 */
export function oneOf<Word extends string>(bytes: Buffer | undefined, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === String(bytes))
  if (word === undefined) throw new Error(`a script of the store answered '${bytes}' instead of ${words.join(', ')}`)
  return word
}
