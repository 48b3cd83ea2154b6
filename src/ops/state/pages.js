// Pages of what is listed by a place that each page names for the next: as many are asked for as fill one page of the view.

/** Answers that are asked for to fill a page: one looks at so many users and no further, and they may have no session. */
const maxResponses = 10

/**
 * @template T
 * @typedef {object} Page
 * @property {T[]} rows
 * @property {string} [next] the place to go on from; absent at the end
 */

/**
 * Fills a page, or ends after so many responses; it may be short, even empty, with more behind it.
 * @template T
 * @param {(after: string | undefined, limit: number) => Promise<Page<T>>} read
 * @param {string | undefined} after the place to begin from
 * @param {number} size
 * @returns {Promise<Page<T>>}
 */
export async function fillPage(read, after, size) {
  /** @type {Page<T>} */
  let page = { rows: [], next: after }
  for (let asked = 0; asked < maxResponses; asked += 1) {
    const { rows, next } = await read(page.next, size - page.rows.length)
    page = { rows: [...page.rows, ...rows], next }
    if (!next || page.rows.length >= size) break
  }
  return page
}
