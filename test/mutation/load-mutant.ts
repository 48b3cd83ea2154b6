// A module hook that gives Node one source with a fault in it, as `CARDEA_MUTANT` says, and every other one as it is. Nothing on the
// disk changes, so that a run that is cut short leaves nothing behind.
import { registerHooks } from 'node:module'

const { url, start, end, replacement } = JSON.parse(process.env['CARDEA_MUTANT'] ?? '{}')

registerHooks({
  load(target, context, nextLoad) {
    const loaded = nextLoad(target, context)
    if (target !== url || loaded.source === undefined || loaded.source === null) return loaded
    const text = Buffer.isBuffer(loaded.source) ? loaded.source.toString() : String(loaded.source)
    return { ...loaded, source: `${text.slice(0, start)}${replacement}${text.slice(end)}` }
  },
})
