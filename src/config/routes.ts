// The routes of a config file, each with what it inherits from `defaults` and does not go `without`: a member of a route wins
// whole, nothing is merged within one.
import type { RouteConfig, WrittenRoute } from '../../plugins/forward/route/compile.ts'
import type { Draft } from './draft.ts'
import { type ConfigFile, type Path, valueAt } from './file.ts'
import { withFilesFrom } from './route-rules.ts'

/**
 * Reads the routes that fit their schema; of the others, and of members of `defaults` that do not fit, somebody has reported.
 * @param wrong paths of the file that do not fit
 */
export function readRoutes(
  file: ConfigFile | undefined,
  wrong: readonly Path[],
): Pick<Draft, 'routes' | 'placeInRoutes'> {
  if (file === undefined) return { routes: [], placeInRoutes: () => 'routes' }
  const defaults = fittingDefaults(valueAt(file.value, ['defaults']), wrong)
  const all = valueAt(file.value, ['routes'])
  const unfit = new Set(wrong.filter(([first]) => first === 'routes').map(([, at]) => at))
  const fitting = Array.isArray(all) && !unfit.has(undefined) ? [...all.entries()].filter(([at]) => !unfit.has(at)) : []
  return {
    // The schema has just been checked: this is where its type begins.
    routes: fitting.map(([, route]) => withFilesFrom(file.folder, inheriting(defaults, route as WrittenRoute))),
    placeInRoutes: ([at, ...rest]) => {
      const [index = 0, route] = fitting[Number(at)] ?? []
      const [member = ''] = rest
      const isInherited = valueAt(route, [member]) === undefined && Object.hasOwn(defaults, member)
      return file.place(isInherited ? ['defaults', ...rest] : ['routes', index, ...rest])
    },
  }
}

function inheriting(defaults: Partial<RouteConfig>, { without = [], ...own }: WrittenRoute): RouteConfig {
  const inherited = Object.entries(defaults).filter(([member]) => !without.includes(member))
  return { ...Object.fromEntries(inherited), ...own }
}

function fittingDefaults(written: unknown, wrong: readonly Path[]): Partial<RouteConfig> {
  const unfit = new Set(wrong.filter(([first]) => first === 'defaults').map(([, member]) => member))
  if (typeof written !== 'object' || written === null || unfit.has(undefined)) return {}
  return Object.fromEntries(Object.entries(written).filter(([member]) => !unfit.has(member)))
}
