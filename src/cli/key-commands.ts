// `keys list`. Only names and times: what is in a key, the command line never sees.

import { timestamp } from '../../plugins/auth-routes/wire/session-view.ts'
import type { Store } from '../../plugins/session-store/port/store.ts'
import { type Command, type Invocation, isGiven, printRows } from './command.ts'

/** The commands by their two words. */
export const keyCommands: Record<string, Command> = {
  'keys list': {
    synopsis: 'keys list [--json]',
    meaning: 'lists the keys in the store by their names and times',
    options: { json: { type: 'boolean' } },
    positionals: [0, 0],
    needs: 'store',
    run: listKeys,
  },
}

async function listKeys(invocation: Invocation, store: Store): Promise<void> {
  const keys = await store.keys.list()
  const rows = keys.map(({ id, use, alg, createdAt, activeFrom }) => ({
    kid: id,
    use,
    alg,
    created_at: timestamp(createdAt),
    active_from: timestamp(activeFrom),
  }))
  printRows(rows, isGiven(invocation, 'json'))
}
