// The roles that routes ask for and no user has: a misspelt role lets nobody in, and says so only to those who are turned away. It
// looks at the store as it is, and changes nothing in it.
import { DatabaseSync } from 'node:sqlite'
import type { RouteConfig } from '../../plugins/forward/index.ts'
import type { Store } from '../../plugins/session-store/port/store.ts'
import type { Config } from '../config/index.ts'
import { embeddedFile, missingStore, openStore } from '../process/open-store.ts'

/** @returns a sentence for each role; none where there are no users, or no store yet */
export async function notesOfRoles(config: Config): Promise<string[]> {
  const asked = rolesAskedFor(config.routes)
  if (asked.size === 0 || missingStore(config) !== undefined) return []
  const held = await rolesHeld(config).catch((error: unknown) => String(error instanceof Error ? error.message : error))
  if (typeof held === 'string') return [`the store could not be asked which roles users have: ${held}`]
  if (held.size === 0) return []
  return [...asked].flatMap(([role, prefixes]) =>
    held.has(role) ? [] : [`no user has the role ${JSON.stringify(role)}, which ${prefixes.join(', ')} asks for`],
  )
}

function rolesAskedFor(routes: readonly RouteConfig[]): Map<string, string[]> {
  const asked = new Map<string, string[]>()
  for (const { prefix, policy, methods } of routes) {
    const roles = [policy, ...Object.values(methods ?? {})].flatMap((one) =>
      typeof one === 'object' ? (one.roles ?? []) : [],
    )
    for (const role of new Set(roles)) asked.set(role, [...(asked.get(role) ?? []), prefix])
  }
  return asked
}

async function rolesHeld(config: Config): Promise<Set<string>> {
  if (config.redisUrl === undefined) return rolesInFile(embeddedFile(config))
  const store = await openStore(config)
  try {
    return await rolesInStore(store)
  } finally {
    await store.close()
  }
}

// Not opened as a store: that would bring an older file up to date.
function rolesInFile(file: string): Set<string> {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const rows = database.prepare('SELECT DISTINCT role.value AS role FROM users, json_each(users.roles) AS role').all()
    return new Set(rows.map(({ role }) => String(role)))
  } finally {
    database.close()
  }
}

const pageSize = 500

async function rolesInStore({ users }: Store): Promise<Set<string>> {
  const roles = new Set<string>()
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = await users.list(after, pageSize)
    for (const user of page) for (const role of user.roles) roles.add(role)
    after = page.length < pageSize ? undefined : page.at(-1)?.sub
  }
  return roles
}
