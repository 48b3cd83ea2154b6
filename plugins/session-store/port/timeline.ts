// A timeline as one short text: what both adapters keep for a session, and how a step is added to it. The embedded store calls
// `appendStep`; append-timeline.lua does the same in Redis and is held to it by the contract. Its size is bounded, whatever happens.
//
// One line an entry, the newest first, so that the one a step may be folded into is found without looking at the others:
// when it began (s) | how long it went on (s) | how often | generation | reason | node | client | network
import type { TimelineEntry, TimelineStep } from './events.ts'

const separator = '\t'
const signIn = `${separator}login_ok${separator}`

/**
 * Adds a step in front. One that is like the newest entry (reason, node, client, network) is counted there.
 * @param text the timeline; '' for none yet
 * @param limit entries at most: beyond it the oldest leaves that is no sign-in at the beginning
 */
export function appendStep(text: string, mark: TimelineStep, limit: number): string {
  const lines = text === '' ? [] : text.split('\n')
  const atSeconds = Math.floor(mark.at / 1000)
  const [began = atSeconds, , count = 0, generation = 0] = numbersOf(lines[0], signatureOf(mark)) ?? []
  // A clock that was set back makes nothing shorter.
  const duration = Math.max(0, atSeconds - began)
  const line = [began, duration, count + 1, mark.generation || generation, signatureOf(mark)].join(separator)
  if (count > 0) lines[0] = line
  else if (lines.unshift(line) > limit) lines.splice(lines.at(-1)?.includes(signIn) ? -2 : -1, 1)
  return lines.join('\n')
}

/** What two steps must have in common to be one entry, as it stands at the end of a line. */
export function signatureOf({ reason, node, client, network }: TimelineStep): string {
  return `${reason}${separator}${node}${separator}${client}${separator}${network}`
}

/** Reads a timeline, in order of time: nodes hand over their steps each in its own turn. @param text as it is kept */
export function readTimeline(text: string): TimelineEntry[] {
  if (text === '') return []
  const entries = text.split('\n').map((line) => {
    const [began, duration, count, generation, reason = '', node = '', client = '', network = ''] =
      line.split(separator)
    const at = Number(began) * 1000
    const until = at + Number(duration) * 1000
    return { at, until, count: Number(count), reason, generation: Number(generation), node, client, network }
  })
  return entries.reverse().sort((a, b) => a.at - b.at || Number(isAfterTheEnd(a)) - Number(isAfterTheEnd(b)))
}

// Of two nodes' steps in one second, this one can only have come after the end.
function isAfterTheEnd({ reason }: TimelineEntry): boolean {
  return reason === 'session_ended'
}

function numbersOf(line: string | undefined, signature: string): number[] | undefined {
  if (!line?.endsWith(separator + signature)) return undefined
  const numbers = line.slice(0, -signature.length - 1).split(separator)
  return numbers.length === 4 ? numbers.map(Number) : undefined
}
