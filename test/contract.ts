// The store contract: what any store must do for the gateway, whatever it is made of. Run by the test of each adapter; an
// adapter that needs a line changed here is wrong, or the port is.
import t from 'tap'
import type { Clock } from './clock.ts'
import { testChangedUsers } from './contract/changed-users.ts'
import { testCreating } from './contract/creating.ts'
import { testDelivery } from './contract/delivery.ts'
import { testEnding } from './contract/ending.ts'
import { testEvents } from './contract/events.ts'
import { testEveryone } from './contract/everyone.ts'
import { testExpiry } from './contract/expiry.ts'
import { testKeys } from './contract/keys.ts'
import { testListing } from './contract/listing.ts'
import { testManySessions } from './contract/many-sessions.ts'
import { testReuse } from './contract/reuse.ts'
import { testRevocations } from './contract/revocations.ts'
import { testRotating } from './contract/rotating.ts'
import type { OpenStore } from './contract/scene.ts'
import { testTries } from './contract/tries.ts'
import { testUsers } from './contract/users.ts'

export { Clock } from './clock.ts'

/**
 * Holds an adapter to the port (plugins/session-store/store.ts).
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
    'counted tries': testTries,
    'what happened': testEvents,
  }
  for (const [title, part] of Object.entries(parts)) t.test(`${name}: ${title}`, async (t) => part(t, open, clock))
}
