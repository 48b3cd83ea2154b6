// The memory that request bodies take while they are read whole: those of the gateway's own routes, and JSON that a service's
// document checks. One bound holds for all of them together, and a network can hold only a part of it, so that bodies nobody
// has asked for end in a refusal and not in a process without memory. What is only passed on is never held and does not count.
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { networkPath } from '../clients/network.ts'
import { problem } from '../errors/index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    bodyMemory: BodyMemory
  }
  interface FastifyRequest {
    /** What the body of this request holds; null before one is read. */
    bodyHold: BodyHold | null
  }
}

export interface BodyMemoryOptions {
  /** Bytes of all bodies that are being read; one address holds a quarter at most. */
  limitBytes: number
}

/** One address (of IPv6 a /64) holds this part at the most, the networks around it twice as much. */
export const addressShare = 1 / 4

/** Counts what is held, by network. */
export class BodyMemory {
  readonly #limitBytes: number
  readonly #heldBy = new Map<string, number>()
  #heldBytes = 0

  constructor({ limitBytes }: BodyMemoryOptions) {
    this.#limitBytes = limitBytes
  }

  /** Of all bodies together, now. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Counts bytes that have come.
   * @param path networks of the client, from wide to narrow
   * @returns false, and counts nothing, when they are more than all or these networks may hold
   */
  take(path: readonly string[], bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#limitBytes) return false
    const narrowest = this.#limitBytes * addressShare
    for (let i = 0; i < path.length; i += 1) {
      const limit = i === path.length - 1 ? narrowest : 2 * narrowest
      if ((this.#heldBy.get(path[i] ?? '') ?? 0) + bytes > limit) return false
    }
    this.#add(path, bytes)
    return true
  }

  give(path: readonly string[], bytes: number): void {
    this.#add(path, -bytes)
  }

  #add(path: readonly string[], bytes: number): void {
    this.#heldBytes += bytes
    for (const network of path) {
      const held = (this.#heldBy.get(network) ?? 0) + bytes
      if (held > 0) this.#heldBy.set(network, held)
      else this.#heldBy.delete(network)
    }
  }
}

/** What one body holds, until its request is over. */
export class BodyHold {
  readonly #memory: BodyMemory
  readonly #path: readonly string[]
  #bytes = 0

  constructor(memory: BodyMemory, address: string) {
    this.#memory = memory
    this.#path = networkPath(address)
  }

  take(bytes: number): boolean {
    if (!this.#memory.take(this.#path, bytes)) return false
    this.#bytes += bytes
    return true
  }

  release(): void {
    this.#memory.give(this.#path, this.#bytes)
    this.#bytes = 0
  }
}

/**
 * Reads a body whole. What comes behind a refusal is thrown away.
 * @param body of this request; nothing of it has been read
 * @returns its bytes
 * @throws Problem `body_too_large`; `overloaded` when bodies hold too much already; `invalid_request` when the client left
 */
export function readBody(request: FastifyRequest, body: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const hold = new BodyHold(request.server.bodyMemory, request.clientAddress)
  request.bodyHold = hold
  const received: Buffer[] = []
  let bytes = 0
  let isRefused = false
  const refuse = (error: Error) => {
    isRefused = true
    received.length = 0
    hold.release()
    reject(error)
  }
  if (Number(request.headers['content-length'] ?? 0) > limitBytes)
    refuse(problem('body_too_large', { detail: 'body_limit' }))
  body.on('data', (part: Buffer) => {
    if (isRefused) return
    bytes += part.length
    if (bytes > limitBytes) refuse(problem('body_too_large', { detail: 'body_limit' }))
    else if (hold.take(part.length)) received.push(part)
    else refuse(problem('overloaded', { detail: 'body_memory' }))
  })
  body.on('end', () => resolve(Buffer.concat(received)))
  body.on('close', () => {
    if (!body.complete) refuse(problem('invalid_request', { detail: 'body_incomplete' }))
  })
  return promise
}

async function bodyMemory(app: FastifyInstance, options: BodyMemoryOptions): Promise<void> {
  app.decorate('bodyMemory', new BodyMemory(options))
  app.decorateRequest('bodyHold', null)
  app.addHook('onResponse', (request, _reply, done) => {
    request.bodyHold?.release()
    done()
  })
}

/** Fastify plugin: decorates `app.bodyMemory`. Needs `client-address`. */
export default fp(bodyMemory, {
  name: 'body-memory',
  fastify: '5.x',
  dependencies: ['client-address'],
  decorators: { request: ['clientAddress'] },
})
