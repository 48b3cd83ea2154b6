// `users add|list|disable|enable|passwd`. The gateway may be running on the same one. What takes rights away ends the user's
// sessions too, after the change, so that no login in flight slips through between.

import { isScope } from '../../plugins/access-tokens/scope.ts'
import { rolePattern } from '../../plugins/auth-routes/wire/fields.ts'
import { timestamp } from '../../plugins/auth-routes/wire/session-view.ts'
import { hashPassword } from '../../plugins/credentials/password.ts'
import { canonicalUserName, userNameRule } from '../../plugins/credentials/user-name.ts'
import type { EndReason, Store, UserChange } from '../../plugins/session-store/port/store.ts'
import { CliError, type Command, type Invocation, isGiven, printRows, say, textsOf } from './command.ts'
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
    synopsis: 'users list [--json]',
    meaning: 'lists the users',
    options: { json: { type: 'boolean' } },
    positionals: [0, 0],
    needs: 'store',
    run: listUsers,
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
  if (await store.users.find(sub)) throw new CliError(`There is a user ${sub} already.`)
  const passwordHash = await hashPassword(await newPassword(invocation, sub))
  if (!(await store.users.add({ sub, passwordHash, roles, scope })))
    throw new CliError(`There is a user ${sub} already.`)
  say(`added ${sub}`)
}

function words(invocation: Invocation, option: string, isRight: (word: string) => boolean): string[] {
  const given = textsOf(invocation, option).flatMap((text) => text.split(' ').filter(Boolean))
  const wrong = given.find((word) => !isRight(word))
  if (wrong !== undefined) throw new CliError(`${JSON.stringify(wrong)} cannot be a ${option}.`)
  return [...new Set(given)]
}

const pageSize = 500

async function listUsers(invocation: Invocation, store: Store): Promise<void> {
  const rows: Record<string, unknown>[] = []
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = await store.users.list(after, pageSize)
    for (const { sub, roles, scope, disabled, createdAt } of page) {
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
  if (!(await store.users.change(sub, change))) throw new CliError(`There is no user ${sub}.`)
  const ended = endReason ? (await store.sessions.endAll(sub, endReason)).revocations.length : 0
  say(`${done} ${sub}${endReason ? `, sessions ended: ${ended}` : ''}`)
}
