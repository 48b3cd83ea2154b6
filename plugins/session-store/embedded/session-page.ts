// All live sessions of the embedded store, a page at a time, by the index of subjects. It writes nothing, and looks at a
// bounded number of rows however many there are.

import { lookLimit, pageOf, placeOf } from '../port/session-page.ts'
import type { SessionPage, SessionPlace } from '../port/sessions.ts'
import type { Session } from '../port/store.ts'
import type { Database } from './database.ts'
import { type SessionRow, toSession } from './session-row.ts'

export class EmbeddedSessionList {
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database) {
    this.#statements = prepareStatements(database)
  }

  /**
   * A page; inside `read`.
   * @param isLive tells those that have ended from rows that only wait to be deleted
   */
  page(after: SessionPlace | undefined, limit: number, isLive: (session: Session) => boolean): SessionPage {
    const found: Session[] = []
    let place = after
    for (let looked = 0; looked < lookLimit; ) {
      const wanted = limit + 1 - found.length
      const rows = this.#rowsBehind(place, wanted)
      found.push(...rows.filter(isLive))
      const last = rows.at(-1)
      if (found.length > limit || rows.length < wanted || !last) return pageOf(found, limit)
      place = placeOf(last)
      looked += rows.length
    }
    return pageOf(found, limit, place)
  }

  // What is left of the place's subject, then the subjects after it.
  #rowsBehind(place: SessionPlace | undefined, count: number): Session[] {
    const { restOfSubject, laterSubjects } = this.#statements
    const { sub = '', session } = place ?? {}
    const rest = session ? restOfSubject.all(sub, session.createdAt, session.createdAt, session.sid, count) : []
    const later = rest.length < count ? laterSubjects.all(sub, count - rest.length) : []
    // Boundary: the columns of a STRICT table that only this program writes.
    return ([...rest, ...later] as unknown as SessionRow[]).map(toSession)
  }
}

function prepareStatements(database: Database) {
  return {
    restOfSubject: database.prepare(`
      SELECT * FROM sessions
      WHERE revokedAt IS NULL AND sub = ? AND createdAt <= ? AND (createdAt < ? OR sid > ?)
      ORDER BY createdAt DESC, sid LIMIT ?`),
    // The index has the order of subjects: only one subject's rows at a time are sorted, and reading ends with the page.
    laterSubjects: database.prepare(`
      SELECT * FROM sessions WHERE revokedAt IS NULL AND sub > ? ORDER BY sub, createdAt DESC, sid LIMIT ?`),
  }
}
