// Reads text/event-stream (WHATWG HTML section 9.2) out of chunks of text: EventSource cannot send a Bearer token. It must
// never keep more than one unfinished event, and that one never longer than the limit.

/** Longest unfinished event, in characters. */
const unfinishedLimit = 1_000_000

/**
 * @typedef {object} StreamedEvent
 * @property {string} type `message` unless it was named
 * @property {string} data
 */

/**
 * A reader of one stream.
 * @returns {(chunk: string) => StreamedEvent[]} takes the next text and returns what it completed; throws RangeError when
 * an event is longer than the limit
 */
export function eventStreamReader() {
  let rest = ''
  return (chunk) => {
    rest += chunk
    const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/)
    rest = blocks.pop() ?? ''
    if (rest.length > unfinishedLimit) throw new RangeError('an event of the stream does not end')
    return blocks.flatMap(readBlock)
  }
}

/**
 * @param {string} block the lines of one event
 * @returns {StreamedEvent[]} none for a comment or an event without data
 */
function readBlock(block) {
  let type = 'message'
  const data = []
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
    if (field === 'event') type = value
    else if (field === 'data') data.push(value)
  }
  return data.length === 0 ? [] : [{ type, data: data.join('\n') }]
}
