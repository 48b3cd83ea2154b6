// A file that somebody named in the config, read whole: only a regular file, only up to a limit, and never waited for. A FIFO
// would hold the start for ever, and a device such as /dev/zero has no end.
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'

/** The file is there and cannot be used; the message is the end of a sentence that begins with its name. */
export class UnusableFile extends Error {}

/**
 * Reads a file.
 * @param path where it lies
 * @param limitBytes most bytes it may have
 * @returns its bytes; none for an empty device such as /dev/null, which is how people write "no file"
 * @throws UnusableFile when it is of another kind, or larger; what `fs` throws (ENOENT, EACCES, ...) when it cannot be opened
 */
export function readBoundedFile(path: string, limitBytes: number): Buffer {
  // Opening a FIFO without a writer blocks, unless it is told not to; the kind is checked by what was opened, not by its name.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(descriptor)
    if (!stats.isFile() && !isEmptyDevice(descriptor, stats)) throw new UnusableFile(`is ${kindOf(stats)}, not a file`)
    if (stats.size > limitBytes) throw new UnusableFile(`is larger than ${limitBytes} bytes`)
    return readAll(descriptor, stats.size, limitBytes)
  } finally {
    closeSync(descriptor)
  }
}

// It may grow while it is read: one byte more than allowed tells. Files of /proc say that they have none.
function readAll(descriptor: number, expectedBytes: number, limitBytes: number): Buffer {
  const chunks: Buffer[] = []
  let total = 0
  for (;;) {
    const chunk = Buffer.allocUnsafe(Math.min(limitBytes + 1 - total, Math.max(expectedBytes - total, 4096)))
    const count = readSync(descriptor, chunk)
    if (count === 0) return Buffer.concat(chunks, total)
    chunks.push(chunk.subarray(0, count))
    total += count
    if (total > limitBytes) throw new UnusableFile(`is larger than ${limitBytes} bytes`)
  }
}

function isEmptyDevice(descriptor: number, stats: Stats): boolean {
  return stats.isCharacterDevice() && readSync(descriptor, Buffer.allocUnsafe(1)) === 0
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a FIFO'
  return stats.isSocket() ? 'a socket' : 'a device'
}
