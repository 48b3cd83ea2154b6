// The log of this process: one JSON object a line on standard output. What is logged in one turn of the event loop leaves
// together, because a system call for each line was a tenth of a refresh. A process that is killed loses the lines of that turn
// and what its reader has not taken. Nothing that happens to standard output stops the process; see line-sink.ts.
import { type DestinationStream, type Logger, pino } from 'pino'
import { LineSink } from './line-sink.ts'

/** What a pipe keeps together, bytes (PIPE_BUF, pipe(7)): several workers write to the same one. */
const unbrokenBytes = 4096
/** How long the end of the process waits for a reader that is slow. */
const finalResponseWaitMs = 250

/** The log on standard output. @param level least level that is logged */
export function openLog(level: string): Logger {
  return pino({ level, serializers: { err: wordsOf } }, openOutput().lines)
}

/** Lines of the log that were lost since the process started, because nobody took them. */
export function droppedLogLines(): number {
  return output?.sink.dropped ?? 0
}

/**
 * Tells people something, beside the log: on standard output, or on standard error where that cannot be written to.
 * @param lines whole lines
 */
export function print(lines: string): void {
  const { sink } = openOutput()
  sink.write(lines)
  if (sink.trouble !== undefined && sink.trouble !== 'EAGAIN') openErrorOutput().write(lines)
}

interface Output {
  sink: LineSink
  lines: DestinationStream
}

// One for the process: each app of a reload has a log of its own, and their lines stay in order.
let output: Output | undefined
let errorOutput: LineSink | undefined

function openOutput(): Output {
  if (output !== undefined) return output
  const sink = new LineSink(1, { onTrouble: sayTrouble, onAgain: sayAgain })
  output = { sink, lines: gathered(sink) }
  process.once('exit', () => sink.flushSync(finalResponseWaitMs))
  return output
}

function openErrorOutput(): LineSink {
  errorOutput ??= new LineSink(2)
  return errorOutput
}

function sayTrouble(code: string): void {
  const why = code === 'EAGAIN' ? 'whoever reads it has stopped' : code === 'EPIPE' ? 'nobody reads it any more' : code
  openErrorOutput().write(
    `Cardea goes on, but its log does not: standard output cannot be written to (${why}). Lines wait; what does not fit is lost and counted.\n`,
  )
}

function sayAgain(lines: number, code: string): void {
  openLog('warn').warn({ lines, code }, 'the log could not be written for a while; so many of its lines are lost')
}

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
