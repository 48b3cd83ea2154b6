// Lists that come a page at a time: the query of a page, and its cursor, `next` of one page and `after` of the next. A cursor
// is opaque, so that nobody makes or parses one, and of characters that mean the same whether a client encodes its query or
// not: a `+` in one would be a blank.
import Type from 'typebox'
import { problem } from '../../../plugins/errors/index.ts'

// A string: nothing on the wire is coerced.
export const pageLimit = Type.String({
  pattern: '^([1-9][0-9]?|1[0-9][0-9]|200)$',
  description: '1 to 200; default 50.',
})

/** Of what is listed a page at a time, how much comes when nobody says. */
export const defaultPageLimit = 50

export const cursor = Type.String({ pattern: '^[A-Za-z0-9_-]{1,200}$', description: '`next` of the page before.' })

/**
 * The cursor behind a place of a list.
 * @param place text that `readCursor` of that list takes
 */
export function writeCursor(place: string): string {
  return Buffer.from(place).toString('base64url')
}

/**
 * The place that a cursor stands for.
 * @param form what the places of the list look like
 * @throws Problem `invalid_request` for what is no cursor of this list
 */
export function readCursor(cursor: string, form: RegExp): string {
  const place = Buffer.from(cursor, 'base64url').toString()
  // Decoding is lenient; only the text that encodes to itself is a cursor (RFC 4648 section 3.5).
  if (form.test(place) && writeCursor(place) === cursor) return place
  const errors = [{ in: 'querystring', path: '/after', message: 'must be `next` of the page before' }]
  throw problem('invalid_request', { detail: 'cursor_unknown', errors })
}
