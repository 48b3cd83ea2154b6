// Loaded with --import before the command line: the rotation decision of this process forgets delivery proof, and so calls a
// lost response that comes back late a reuse. For the test that the simulator's figures come from the very same `decide`.
import { registerHooks } from 'node:module'

const withProof = 'presented.generation >= session.provenGeneration'

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith('/plugins/session-store/rotation.ts')) return loaded
    const source = String(loaded.source)
    if (!source.includes(withProof)) throw new Error(`rotation.ts no longer says ${withProof}`)
    return { ...loaded, source: source.replace(withProof, 'false') }
  },
})
