// The descriptor that lines leave by, standard output or error, in a form that can never stop the process: nothing waits for a
// disk, a terminal or a reader, and no failed write ends anything. Lines wait in a bounded buffer; what does not fit is dropped
// and counted.
import { constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'

const firstRetryMs = 1
const maxRetryMs = 1000
const defaultCapacityBytes = 524_288

export interface SinkOptions {
  /** Most bytes that wait; 512 KiB when absent. */
  capacityBytes?: number
  /** Called once when writing fails or lines are lost, until all that waited has left. @param code of the system, such as ENOSPC */
  onTrouble?: (code: string) => void
  /** Called when all that waited has left after lines were lost. @param lines how many were lost */
  onAgain?: (lines: number, code: string) => void
}

export class LineSink {
  readonly #target: Target
  readonly #options: SinkOptions
  readonly #capacityBytes: number
  #waiting: Buffer[] = []
  #bytes = 0
  /** A write is on its way through the thread pool. */
  #isWriting = false
  #retry: NodeJS.Timeout | undefined
  #retryMs = firstRetryMs
  #dropped = 0
  #told = 0
  #trouble: string | undefined
  #isTroubleTold = false

  /** @param fd of this process, open for writing */
  constructor(fd: number, options: SinkOptions = {}) {
    this.#target = unblocked(fd)
    this.#options = options
    this.#capacityBytes = options.capacityBytes ?? defaultCapacityBytes
  }

  /** Lines that were lost since the process started. */
  get dropped(): number {
    return this.#dropped
  }

  /** Why lines cannot leave now: a code of the system, such as EPIPE; undefined while they can. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Takes whole lines. Never throws and never waits. */
  write(lines: string): void {
    const chunk = Buffer.from(lines)
    if (this.#bytes + chunk.length > this.#capacityBytes) {
      this.#dropped += linesIn(chunk)
      this.#tellTrouble()
      return
    }
    this.#waiting.push(chunk)
    this.#bytes += chunk.length
    if (!this.#isWriting && this.#retry === undefined) this.#writeWaiting()
  }

  /** For the end of the process: what waits leaves now, as far as it can. @param patienceMs how long a full pipe may take */
  flushSync(patienceMs: number): void {
    const end = performance.now() + patienceMs
    while (this.#waiting.length > 0) {
      const code = this.#writeOne()
      if (code === undefined) continue
      if (code !== 'EAGAIN' || performance.now() > end) return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }

  #writeWaiting(): void {
    if (this.#target.canWait) {
      this.#writeByPool()
      return
    }
    let code: string | undefined
    while (code === undefined && this.#waiting.length > 0) code = this.#writeOne()
    if (code === undefined) this.#goOn()
    else this.#retryLater(code)
  }

  /** @returns a code when nothing left */
  #writeOne(): string | undefined {
    const [chunk] = this.#waiting
    if (chunk === undefined) return undefined
    try {
      this.#taken(writeSync(this.#target.fd, chunk))
      return undefined
    } catch (error) {
      return codeOf(error)
    }
  }

  // A file knows no "would block": only another thread can wait for its disk.
  #writeByPool(): void {
    if (this.#waiting.length === 0) {
      this.#goOn()
      return
    }
    this.#isWriting = true
    const all = Buffer.concat(this.#waiting)
    this.#waiting = []
    write(this.#target.fd, all, 0, all.length, null, (error, written) => {
      this.#isWriting = false
      this.#waiting.unshift(all)
      if (error) {
        this.#retryLater(codeOf(error))
        return
      }
      this.#taken(written)
      this.#writeByPool()
    })
  }

  // A line of which a part has left goes on where it stopped.
  #taken(written: number): void {
    const [chunk] = this.#waiting
    if (chunk === undefined) return
    this.#bytes -= written
    this.#retryMs = firstRetryMs
    if (written === chunk.length) this.#waiting.shift()
    else this.#waiting[0] = chunk.subarray(written)
  }

  #retryLater(code: string): void {
    this.#trouble = code
    // A pipe that is full for a moment is no trouble yet.
    if (code !== 'EAGAIN') this.#tellTrouble()
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#writeWaiting()
    }, this.#retryMs).unref()
    this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2)
  }

  #goOn(): void {
    const code = this.#trouble ?? 'EAGAIN'
    this.#trouble = undefined
    this.#isTroubleTold = false
    const lost = this.#dropped - this.#told
    this.#told = this.#dropped
    if (lost > 0) this.#options.onAgain?.(lost, code)
  }

  #tellTrouble(): void {
    if (this.#isTroubleTold) return
    this.#isTroubleTold = true
    this.#options.onTrouble?.(this.#trouble ?? 'EAGAIN')
  }
}

interface Target {
  fd: number
  /** A write may wait, so it must not happen on this thread. */
  canWait: boolean
  /** What must live as long as the descriptor does. */
  keep?: Socket
}

/**
 * A descriptor on which a write fails with EAGAIN rather than wait, where the system has one. Pipes and terminals are opened a
 * second time: O_NONBLOCK belongs to an opening (open(2)), and the first one is shared with the shell and other processes.
 */
function unblocked(fd: number): Target {
  const stat = fstatSync(fd)
  if (stat.isFile()) return { fd, canWait: true }
  if (!stat.isSocket()) {
    try {
      const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY
      return { fd: openSync(`/proc/self/fd/${fd}`, flags), canWait: false }
    } catch {
      // Another user's, or no Linux.
    }
  }
  if (stat.isCharacterDevice()) return { fd, canWait: true }
  try {
    // A socket, such as the recent revocations's, cannot be opened again. A stream of Node's sets O_NONBLOCK on it.
    return { fd, canWait: false, keep: new Socket({ fd, readable: false, writable: true }).unref() }
  } catch {
    return { fd, canWait: true }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function linesIn(chunk: Buffer): number {
  let lines = 0
  for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1
  return lines
}
