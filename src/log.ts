// The log of this process: one JSON object a line on standard output. What is logged in one turn of the event loop leaves
// together, because a system call for each line was a tenth of a refresh. A process that is killed loses the lines of that turn
// and no others. Made by app.ts and workers.ts; what a line says is decided where it is logged.
import { type DestinationStream, type Logger, pino } from 'pino'

/** What a pipe keeps together, bytes (PIPE_BUF, pipe(7)): several workers write to the same one. */
const unbrokenBytes = 4096

/** The log on standard output. @param level least level that is logged */
export function openLog(level: string): Logger {
  standardOutput ??= gathered(pino.destination({ dest: 1, sync: true }))
  return pino({ level, serializers: { err: wordsOf } }, standardOutput)
}

// One for the process: each app of a reload has a log of its own, and their lines stay in order.
let standardOutput: DestinationStream | undefined

/**
 * What the log says of an error: its words and its code. Libraries hang more on theirs, a command with its arguments or a request
 * with its fields, and there may be a password or a token among them.
 */
export function wordsOf(error: Error & { code?: unknown }): object {
  const { type, message, stack } = pino.stdSerializers.err(error)
  return { type, message, ...(typeof error.code === 'string' && { code: error.code }), stack }
}

/**
 * A destination whose lines wait until the turn of the event loop is over, or the process is.
 * @param out takes whole lines: as many as a pipe keeps together, or one that is longer
 */
export function gathered(out: DestinationStream): Required<Pick<DestinationStream, 'write'>> & { flushSync(): void } {
  let lines = ''
  let bytes = 0
  const flushSync = () => {
    if (lines === '') return
    const leaving = lines
    lines = ''
    bytes = 0
    out.write(leaving)
  }
  const write = (line: string) => {
    const more = Buffer.byteLength(line)
    if (bytes + more > unbrokenBytes) flushSync()
    if (lines === '') setImmediate(flushSync)
    lines += line
    bytes += more
  }
  process.once('exit', flushSync)
  return { write, flushSync }
}
