// All live sessions in Redis, a page at a time: along the ordered list of user names, each name's sessions by the verb that
// lists a subject's. It needs no index of sessions, which would cost each of them bytes; it looks at a bounded number of
// names, most of which may have no session.

import { inListOrder, isBehind, lookLimit, pageOf } from '../port/session-page.ts'
import type { SessionPage, SessionPlace } from '../port/sessions.ts'
import type { Session } from '../port/store.ts'
import type { RedisLink } from './connection/link.ts'
import type { RedisNames } from './key-names.ts'
import { readUserNames } from './users/index.ts'

export interface Subjects {
  link: RedisLink
  names: RedisNames
  /** The live sessions of a subject. */
  list: (sub: string) => Promise<Session[]>
}

/** Subjects that are asked for together: few, for each may have many sessions; more when those had hardly any. */
const fewest = 4
const most = 64

/** A page; of subjects that are users: whose name is not in the list (any more), is found by subject only. */
export async function readSessionPage(
  subjects: Subjects,
  after: SessionPlace | undefined,
  limit: number,
): Promise<SessionPage> {
  const found = await restOf(subjects, after)
  let sub = after?.sub ?? ''
  let atOnce = Math.max(fewest, Math.min(most, Math.ceil(limit / 2)))
  let looked = 0
  while (found.length <= limit && looked < lookLimit) {
    const names = await readUserNames(subjects.link, subjects.names, sub, atOnce)
    found.push(...(await listEach(subjects, names)))
    if (names.length < atOnce) return pageOf(found, limit)
    sub = names.at(-1) ?? sub
    looked += atOnce
    atOnce = Math.min(most, 2 * atOnce)
  }
  return pageOf(found, limit, { sub })
}

async function restOf({ list }: Subjects, place: SessionPlace | undefined): Promise<Session[]> {
  if (!place?.session) return []
  const sessions = await list(place.sub)
  return sessions.filter((session) => isBehind(session, place)).sort(inListOrder)
}

// Asked for in one turn: they leave in one write.
async function listEach({ list }: Subjects, names: readonly string[]): Promise<Session[]> {
  const lists = await Promise.all(names.map(list))
  return lists.flatMap((sessions) => sessions.sort(inListOrder))
}
