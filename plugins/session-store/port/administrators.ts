// Administrators: users who may change users. There is always one, whatever is asked for: a store refuses the change that would
// leave none, and with it whoever would have to be let in from outside.
import type { User, UserChange } from './store.ts'

/** The role that makes a user one. */
export const administrator = 'admin'

/** A change of a user would leave no administrator; nothing was changed. */
export class LastAdministrator extends Error {
  constructor() {
    super('There would be no administrator any more.')
    this.name = 'LastAdministrator'
  }
}

/** Whether somebody is an administrator and can sign in. */
export function isAdministrator(user: Pick<User, 'roles' | 'disabled'> | undefined): boolean {
  return user !== undefined && !user.disabled && user.roles.includes(administrator)
}

/** Whether a change can take from somebody what makes an administrator. */
export function canTakeAway({ roles, disabled }: UserChange): boolean {
  return disabled === true || (roles !== undefined && !roles.includes(administrator))
}
