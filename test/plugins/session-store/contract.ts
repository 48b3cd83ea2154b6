// The store contract: what any store must do for the gateway, whatever it is made of. An adapter that needs a line changed
// here is wrong, or the port is.
import t from 'tap'
import type { Clock } from '../../support/clock.ts'
import { testAttempts } from './contract/attempts.ts'
import { testEvents } from './contract/events.ts'
import { testKeys } from './contract/keys.ts'
import { testLatency } from './contract/latency.ts'
import { testRevocations } from './contract/revocations.ts'
import type { OpenStore } from './contract/scene.ts'
import { testChangedUsers } from './contract/sessions/changed-users.ts'
import { testCreating } from './contract/sessions/creating.ts'
import { testDelivery } from './contract/sessions/delivery.ts'
import { testEnding } from './contract/sessions/ending.ts'
import { testEveryone } from './contract/sessions/everyone.ts'
import { testExpiry } from './contract/sessions/expiry.ts'
import { testListing } from './contract/sessions/listing.ts'
import { testManySessions } from './contract/sessions/many-sessions.ts'
import { testReuse } from './contract/sessions/reuse.ts'
import { testRotating } from './contract/sessions/rotating.ts'
import { testUsers } from './contract/users.ts'

export { Clock } from '../../support/clock.ts'

/**
 * Holds an adapter to the port (plugins/session-store/port/store.ts).
 * @param name of the adapter, for the titles
 * @param open opens an empty store that reads the clock it is given; called once a test, which closes what it opened
 * @param clock moved by the tests; back only in a test that moves it forward again
 */
export function storeContract(name: string, open: OpenStore, clock: Clock): void {
  const parts = {
    'creating sessions': testCreating,
    rotating: testRotating,
    'users that changed': testChangedUsers,
    'reuse of superseded tokens': testReuse,
    'delivery proof': testDelivery,
    expiry: testExpiry,
    'ending sessions': testEnding,
    'listing all sessions': testListing,
    'a subject with many sessions': testManySessions,
    'the revocation log': testRevocations,
    'subjects, tokens, keys and everyone': testEveryone,
    users: testUsers,
    keys: testKeys,
    'counted attempts': testAttempts,
    'what happened': testEvents,
    'how long verbs take': testLatency,
  }
  for (const [title, part] of Object.entries(parts)) t.test(`${name}: ${title}`, async (t) => part(t, open, clock))
}
