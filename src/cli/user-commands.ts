// `users add|list|show|roles|disable|enable|passwd|delete`. The gateway may be running on the same one. What takes rights away ends the user's
// sessions too, after the change, so that no login in flight slips through between.

import { isScope } from '../../plugins/access-tokens/scope.ts'
import { rolePattern } from '../../plugins/auth-routes/wire/fields.ts'
import { timestamp } from '../../plugins/auth-routes/wire/session-view.ts'
import { hashPassword } from '../../plugins/credentials/password.ts'
import { canonicalUserName, userNameRule } from '../../plugins/credentials/user-name.ts'
import type { EndReason, Store, User, UserChange } from '../../plugins/session-store/port/store.ts'
import { CliError, type Command, type Invocation, isGiven, printRows, report, textsOf, UsageError } from './command.ts'
import { newPassword, passwordOptions } from './password-input.ts'

/** The commands by their two words. */
export const userCommands: Record<string, Command> = {
  'users add': {
    synopsis: 'users add <name> [--role <role>]... [--scope <scope>]... [--generate]',
    meaning: 'adds a user; the password is asked for, piped in, or made by --generate',
    options: {
      ...passwordOptions,
      role: { type: 'string', multiple: true },
      scope: { type: 'string', multiple: true },
    },
    positionals: [1, 1],
    needs: 'new store',
    run: addUser,
  },
  'users list': {
    synopsis: 'users list',
    meaning: 'lists the users',
    options: {},
    positionals: [0, 0],
    needs: 'store',
    run: listUsers,
  },
  'users show': {
    synopsis: 'users show <name>',
    meaning: 'shows a user, and how many live sessions they have',
    options: {},
    positionals: [1, 1],
    needs: 'store',
    run: showUser,
  },
  'users roles': {
    synopsis: 'users roles <name> [--role <role>]... [--scope <scope>]...',
    meaning: 'sets the roles, or the scope, or both, and ends all sessions of the user; --role= sets none',
    options: { role: { type: 'string', multiple: true }, scope: { type: 'string', multiple: true } },
    positionals: [1, 1],
    needs: 'store',
    run: changeRoles,
  },
  'users delete': {
    synopsis: 'users delete <name>',
    meaning: 'forgets password, roles and scope and ends all sessions; only the name is kept, so nobody inherits them',
    options: {},
    positionals: [1, 1],
    needs: 'store',
    run: (invocation, store) => change(invocation, store, forgotten, 'user_disabled', 'deleted'),
  },
  'users disable': {
    synopsis: 'users disable <name>',
    meaning: 'refuses the user from now on and ends all sessions of theirs',
    options: {},
    positionals: [1, 1],
    needs: 'store',
    run: (invocation, store) => change(invocation, store, { disabled: true }, 'user_disabled', 'disabled'),
  },
  'users enable': {
    synopsis: 'users enable <name>',
    meaning: 'takes back a disable; ended sessions stay ended',
    options: {},
    positionals: [1, 1],
    needs: 'store',
    run: (invocation, store) => change(invocation, store, { disabled: false }, undefined, 'enabled'),
  },
  'users passwd': {
    synopsis: 'users passwd <name> [--generate]',
    meaning: 'sets a new password and ends all sessions of the user',
    options: passwordOptions,
    positionals: [1, 1],
    needs: 'store',
    run: changePassword,
  },
}

function nameIn({ positionals: [typed = ''] }: Invocation): string {
  const name = canonicalUserName(typed)
  if (name === undefined) {
    throw new CliError(`${JSON.stringify(typed)} cannot be a user name. ${userNameRule}`)
  }
  return name
}

const scopeTokenLimit = 64
const isRole = (word: string) => new RegExp(rolePattern).test(word)
const isScopeToken = (word: string) => word.length <= scopeTokenLimit && isScope(word)

async function addUser(invocation: Invocation, store: Store): Promise<void> {
  const sub = nameIn(invocation)
  const roles = words(invocation, 'role', isRole)
  const scope = words(invocation, 'scope', isScopeToken).join(' ')
  const known = await store.users.find(sub)
  if (known && !isForgotten(known)) throw new CliError(`There is a user ${sub} already.`)
  const passwordHash = await hashPassword(await newPassword(invocation, sub))
  // The record of one who was deleted has their revision: with it no session of before counts for whoever comes next.
  const isAdded = known
    ? await store.users.change(sub, { passwordHash, roles, scope, disabled: false }, known.revision)
    : await store.users.add({ sub, passwordHash, roles, scope })
  if (!isAdded) throw new CliError(`There is a user ${sub} already.`)
  report(invocation, { sub, roles, scope }, `added ${sub}`)
}

function words(invocation: Invocation, option: string, isRight: (word: string) => boolean): string[] {
  const given = textsOf(invocation, option).flatMap((text) => text.split(' ').filter(Boolean))
  const wrong = given.find((word) => !isRight(word))
  if (wrong !== undefined) throw new CliError(`${JSON.stringify(wrong)} cannot be a ${option}.`)
  return [...new Set(given)]
}

// No hash is empty, so no password fits it.
const forgotten = { passwordHash: '', roles: [], scope: '', disabled: true }

function isForgotten({ passwordHash, disabled }: Pick<User, 'passwordHash' | 'disabled'>): boolean {
  return disabled && passwordHash === ''
}

async function showUser(invocation: Invocation, store: Store): Promise<void> {
  const sub = nameIn(invocation)
  const user = await store.users.find(sub)
  if (!user || isForgotten(user)) throw new CliError(`There is no user ${sub}.`)
  const { roles, scope, disabled, createdAt } = user
  const sessions = (await store.sessions.list(sub)).length
  printRows([{ sub, roles, scope, disabled, created_at: timestamp(createdAt), sessions }], isGiven(invocation, 'json'))
}

async function changeRoles(invocation: Invocation, store: Store): Promise<void> {
  const isNamed = (option: string) => invocation.flags.get(option) !== undefined
  if (!isNamed('role') && !isNamed('scope')) throw new UsageError('users roles needs --role or --scope')
  const rights = {
    ...(isNamed('role') && { roles: words(invocation, 'role', isRole) }),
    ...(isNamed('scope') && { scope: words(invocation, 'scope', isScopeToken).join(' ') }),
  }
  await change(invocation, store, rights, 'revoked_by_admin', 'changed the rights of')
}

const pageSize = 500

async function listUsers(invocation: Invocation, store: Store): Promise<void> {
  const rows: Record<string, unknown>[] = []
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = await store.users.list(after, pageSize)
    for (const { sub, roles, scope, disabled, createdAt, passwordHash } of page) {
      if (isForgotten({ passwordHash, disabled })) continue
      rows.push({ sub, roles, scope, disabled, created_at: timestamp(createdAt) })
    }
    after = page.length < pageSize ? undefined : page.at(-1)?.sub
  }
  printRows(rows, isGiven(invocation, 'json'))
}

async function changePassword(invocation: Invocation, store: Store): Promise<void> {
  const sub = nameIn(invocation)
  if (!(await store.users.find(sub))) throw new CliError(`There is no user ${sub}.`)
  const passwordHash = await hashPassword(await newPassword(invocation, sub))
  await change(invocation, store, { passwordHash }, 'password_changed', 'changed the password of')
}

async function change(
  invocation: Invocation,
  store: Store,
  change: UserChange,
  endReason: EndReason | undefined,
  done: string,
): Promise<void> {
  const sub = nameIn(invocation)
  const user = await store.users.find(sub)
  const isChanged = user && !isForgotten(user) && (await store.users.change(sub, change))
  if (!isChanged) throw new CliError(`There is no user ${sub}.`)
  const ended = endReason ? (await store.sessions.endAll(sub, endReason)).revocations.length : 0
  report(invocation, { sub, ended }, `${done} ${sub}${endReason ? `, sessions ended: ${ended}` : ''}`)
}
