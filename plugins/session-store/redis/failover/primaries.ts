// The servers that are primaries now, as they say themselves. It must never take a replica for a primary, nor guess for a
// server that did not answer.
import type { RedisLink } from '../connection/link.ts'

export interface Primary {
  address: string
  /** Its replication id: new each time the server becomes primary or starts. */
  id: string
  /** Whose replica it was before, if it was one: that primary's replication id. */
  predecessorId: string
  /** Replicas that follow it now: not those that are still being sent the whole. */
  replicas: number
}

export interface Look {
  primaries: Primary[]
  isComplete: boolean
  isDemoted: boolean
  /** `maxmemory-policy` of one that may evict keys. */
  evictionPolicy: string | undefined
}

/**
 * Asks every primary that is known.
 * @returns those that answered, whether all did, and what is wrong with them
 */
export async function lookAtPrimaries(link: RedisLink): Promise<Look> {
  const responses = [...(await link.commandPrimaries('INFO', []))]
  const primaries = responses
    .map(([address, text]) => readPrimary(address, String(text)))
    .filter((one) => one !== undefined)
  return {
    primaries,
    isComplete: responses.length > 0 && primaries.length === responses.length,
    evictionPolicy: responses
      .map(([, text]) => /^maxmemory_policy:(.*?)\r?$/m.exec(String(text))?.[1])
      .find((policy) => policy !== undefined && policy !== 'noeviction'),
    isDemoted: responses.some(([, text]) => /^role:slave\r?$/m.test(String(text))),
  }
}

function readPrimary(address: string, text: string): Primary | undefined {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(text)?.[1] ?? ''
  const id = field('master_replid')
  if (field('role') !== 'master' || id === '') return undefined
  const replicas = text.match(/^slave\d+:.*state=online/gm)?.length ?? 0
  return { address, id, predecessorId: field('master_replid2'), replicas }
}
