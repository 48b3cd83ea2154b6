// The fields that routes share, as TypeBox schemas: names, passwords, scopes, identifiers and times as they are on the wire.
// Everything has a limit; an object takes nothing that it does not name.
import Type from 'typebox'
import { passwordCharacterLimit, passwordLimitBytes } from '../../credentials/password.ts'
import { userNameInputLimit, userNamePattern } from '../../credentials/user-name.ts'

export const closed = { additionalProperties: false }

/** Longest scope or resource, in characters. */
export const textLimit = 1024

export const username = Type.String({
  minLength: 1,
  maxLength: userNameInputLimit,
  description: 'User name; case, blanks around it and Unicode compatibility forms do not matter.',
  examples: ['alice'],
})

export const password = Type.String({
  minLength: 1,
  // What a password may be is said once, in `passwordProblem`, which counts after NFC; here is only an outer limit.
  maxLength: passwordLimitBytes,
  description: `Any Unicode text without NUL, at most ${passwordCharacterLimit} characters and ${passwordLimitBytes} bytes in UTF-8; compared after NFC, otherwise exactly.`,
  examples: ['correct horse battery staple'],
})

export const scopeDescription = 'Scope tokens separated by single spaces (RFC 6749 section 3.3).'

export const scope = Type.String({
  maxLength: textLimit,
  description: scopeDescription,
  examples: ['orders:read orders:write'],
})

export const resourceDescription =
  'The audience the access token is for (RFC 8707): one of the configured audiences or, with delivery `body` only, ' +
  '`urn:cardea:admin`, which `/admin` and `/metrics` demand.'

export const resource = Type.String({ maxLength: textLimit, description: resourceDescription })

export const refreshToken = Type.String({ minLength: 1, maxLength: textLimit, description: 'The refresh token.' })

/** What a role looks like. */
export const rolePattern = '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'

const role = Type.String({ pattern: rolePattern, description: 'A role.', examples: ['admin'] })

export const roles = Type.Array(role, { maxItems: 32, uniqueItems: true, description: 'Roles, as policies name them.' })

export const subject = Type.String({ pattern: userNamePattern, description: 'The subject: the canonical user name.' })

export const sid = Type.String({ pattern: '^[A-Za-z0-9_-]{32}$', description: 'Session identifier.' })

/** A time on the wire, RFC 3339. */
export const time = (description: string) => Type.String({ format: 'date-time', description })

export const ended = Type.Object({ ended: Type.Integer({ description: 'How many sessions were ended.' }) }, closed)

// Any text: what is no session identifier is a session that is not there.
export const sidParams = Type.Object(
  { sid: Type.String({ maxLength: 128, description: 'Session identifier.' }) },
  closed,
)

export const noQuery = Type.Object({}, closed)

export const nothing = Type.Null({ description: 'No content.' })
