// The `jti` of what is signed (RFC 7519 section 4.1.7). It must never give one twice.
import { randomFillSync } from 'node:crypto'

// 144 bits (ASVS 11.5.1 asks for 128).
const idBytes = 18
const idsAtOnce = 128

// Asking the generator costs ten times as much as writing down what it gave, so it is asked for many at once.
const random = Buffer.alloc(idBytes * idsAtOnce)
let next = random.length

/** A new id: 24 base64url characters. */
export function newTokenId(): string {
  if (next === random.length) {
    randomFillSync(random)
    next = 0
  }
  const from = next
  next += idBytes
  return random.toString('base64url', from, next)
}
