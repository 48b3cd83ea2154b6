// Files that are served out of memory: read once, when first asked for, and shared by all responses. A request costs no
// descriptor and no copy. What is not in the folder when it is opened does not exist.
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join, relative } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.yaml': 'application/yaml; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
}

export class KeptFile {
  readonly #read: () => Promise<Buffer>
  readonly #type: string
  #content: Promise<Content> | undefined

  /** @param name its ending says what it is @param read gives it, once */
  constructor(name: string, read: () => Promise<Buffer>) {
    this.#read = read
    this.#type = types[extname(name)] ?? 'application/octet-stream'
  }

  /** Sends it, or 304 to who has it (RFC 9110 section 13.1.2). */
  async send(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { bytes, etag } = await this.#load()
    reply.header('etag', etag)
    if (hasIt(request.headers['if-none-match'], etag)) return reply.code(304).send()
    return reply.type(this.#type).send(bytes)
  }

  // What could not be read is tried again by the next request.
  #load(): Promise<Content> {
    this.#content ??= this.#read().then(
      (bytes) => ({ bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }),
      (error) => {
        this.#content = undefined
        throw error
      },
    )
    return this.#content
  }
}

interface Content {
  bytes: Buffer
  etag: string
}

/**
 * The files of a folder, and of those in it, by their path there.
 * @param isServed whether a file of this name is one of them
 */
export function filesOf(folder: string, isServed: (name: string) => boolean): Map<string, KeptFile> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && isServed(entry.name))
  return new Map(
    files.map(({ name, parentPath }) => {
      const path = join(parentPath, name)
      return [relative(folder, path).replaceAll('\\', '/'), fileAt(path)]
    }),
  )
}

/** A file of its own. */
export function fileAt(path: string): KeptFile {
  return new KeptFile(path, () => readFile(path))
}

// RFC 9110 section 13.1.2: compared weakly, so that a proxy that compresses and says so is understood.
function hasIt(field: string | undefined, etag: string): boolean {
  if (field === undefined) return false
  return field === '*' || field.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)
}
