// `keys list|rotate`. Only names and times: what is in a key, the command line never sees.

import { SigningKeys } from '../../plugins/access-tokens/signing-keys.ts'
import { timestamp } from '../../plugins/auth-routes/wire/session-view.ts'
import { deriveSecrets } from '../../plugins/keys/secrets.ts'
import type { Store } from '../../plugins/session-store/port/store.ts'
import { loadConfig } from '../config/index.ts'
import { withSecret } from '../process/first-start.ts'
import { CliError, type Command, type Invocation, isGiven, printRows, report } from './command.ts'

/** The commands by their two words. */
export const keyCommands: Record<string, Command> = {
  'keys list': {
    synopsis: 'keys list',
    meaning: 'lists the keys in the store by their names and times',
    options: {},
    positionals: [0, 0],
    needs: 'store',
    run: listKeys,
  },
  'keys rotate': {
    synopsis: 'keys rotate',
    meaning: 'makes and publishes the next signing key; it signs once everybody can know it',
    options: {},
    positionals: [0, 0],
    needs: 'store',
    run: rotateKeys,
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

// Nothing is signed here, so no signer is opened.
const noSigner = {
  sign: () => {
    throw new Error('The command line signs nothing.')
  },
  verify: () => {
    throw new Error('The command line verifies nothing.')
  },
  close: async () => undefined,
}

async function rotateKeys(invocation: Invocation, store: Store): Promise<void> {
  const { accessTtlSeconds, clockToleranceSeconds, secrets, signing } = withSecret(loadConfig())
  if (secrets.length === 0) throw new CliError('A key is sealed under CARDEA_SECRET: set it to what the gateway has.')
  let failure: unknown
  const keys = await SigningKeys.open({
    ...signing,
    store: store.keys,
    secrets: deriveSecrets(secrets),
    keepForSeconds: accessTtlSeconds + clockToleranceSeconds,
    clock: Date.now,
    openSigner: async () => noSigner,
    onMade: () => undefined,
    onFailure: (error) => {
      failure = error
    },
  })
  const { kid, activeFrom } = await keys.rotate()
  await keys.close()
  if (failure !== undefined) throw failure
  const from = timestamp(activeFrom)
  report(invocation, { kid, active_from: from }, `the next signing key is ${kid}; it signs from ${from}`)
}
