// A config that was read and not yet checked: what the loader makes of its sources and the rules look at.
// It is data only; config/index.ts turns a draft without mistakes into the config.
import type { RouteConfig } from '../../plugins/forward/route/compile.ts'
import type { Path } from './file.ts'
import type { SettingMember, SettingValues } from './settings/index.ts'

/** A config before it is known to be right: values that could be read, and where they were written. */
export interface Draft {
  production: boolean
  values: Partial<SettingValues>
  /** Only of values that were written somewhere; the others are defaults. */
  places: ReadonlyMap<SettingMember, string>
  routes: RouteConfig[]
  /** Where something of a route is written. */
  placeInRoutes(path: Path): string
}
