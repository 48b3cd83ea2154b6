// What the gateway's own routes take and give, as TypeBox schemas: the wire contract of design section 6. Used by the routes,
// the OpenAPI document and the tests. Everything has a limit; nothing unknown is taken.
import Type, { type Static } from 'typebox'
import { passwordCharacterLimit, passwordLimitBytes } from '../plugins/credentials/password.ts'
import { userNameInputLimit, userNamePattern } from '../plugins/credentials/user-name.ts'

const closed = { additionalProperties: false }

/** Longest scope or resource, in characters. */
const textLimit = 1024

const username = Type.String({
  minLength: 1,
  maxLength: userNameInputLimit,
  description: 'User name; case and Unicode compatibility forms do not matter.',
  examples: ['alice'],
})

const password = Type.String({
  minLength: 1,
  // What a password may be is said once, in `passwordProblem`, which counts after NFC; here is only an outer limit.
  maxLength: passwordLimitBytes,
  description: `Any Unicode text without NUL, at most ${passwordCharacterLimit} characters and ${passwordLimitBytes} bytes in UTF-8; compared after NFC, otherwise exactly.`,
  examples: ['correct horse battery staple'],
})

const scope = Type.String({
  maxLength: textLimit,
  description: 'Scope tokens separated by single spaces (RFC 6749 section 3.3).',
  examples: ['orders:read orders:write'],
})

const resource = Type.String({
  maxLength: textLimit,
  description:
    'The audience the access token is for (RFC 8707): one of the configured audiences or, with delivery `body` only, ' +
    '`urn:cardea:admin`, which `/admin` and `/metrics` demand.',
})

const refreshToken = Type.String({ minLength: 1, maxLength: textLimit, description: 'The refresh token.' })

/** What a role looks like. */
export const rolePattern = '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'

const role = Type.String({ pattern: rolePattern, description: 'A role.', examples: ['admin'] })

const roles = Type.Array(role, { maxItems: 32, uniqueItems: true, description: 'Roles, as policies name them.' })

export const subject = Type.String({ pattern: userNamePattern, description: 'The subject: the canonical user name.' })

export const sid = Type.String({ pattern: '^[A-Za-z0-9_-]{32}$', description: 'Session identifier.' })

/** A time on the wire, RFC 3339. */
export const time = (description: string) => Type.String({ format: 'date-time', description })

export const loginBody = Type.Object(
  {
    username,
    password,
    delivery: Type.Optional(
      Type.Enum(['cookie', 'body'], {
        type: 'string',
        default: 'cookie',
        description:
          'Where the refresh token goes: an HttpOnly cookie, or the answer itself (for clients that are no browser).',
      }),
    ),
    scope: Type.Optional(scope),
    resource: Type.Optional(resource),
  },
  closed,
)

export const tokenBody = Type.Object(
  {
    grant_type: Type.String({ maxLength: textLimit, description: '`refresh_token`.', examples: ['refresh_token'] }),
    refresh_token: Type.Optional(refreshToken),
    scope: Type.Optional(scope),
    resource: Type.Optional(resource),
    client_id: Type.Optional(
      Type.String({ maxLength: textLimit, description: 'Taken and ignored: there is one client.' }),
    ),
  },
  closed,
)

export const logoutBody = Type.Object({ refresh_token: Type.Optional(refreshToken) }, closed)

export const passwordBody = Type.Object({ current_password: password, new_password: password }, closed)

export const tokenResponse = Type.Object(
  {
    access_token: Type.String({ description: 'A JWT of type at+jwt (RFC 9068), for `Authorization: Bearer`.' }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds the access token lives.' }),
    refresh_token: Type.Optional(
      Type.String({ description: 'Only with delivery `body`; with `cookie` it is in the cookie.' }),
    ),
    refresh_expires_in: Type.Integer({ description: 'Seconds the refresh token lives if it is not used.' }),
    session_id: sid,
    scope: Type.String({ description: 'Scope of the access token.' }),
  },
  { ...closed, description: 'Token response (RFC 6749 section 5.1).' },
)

const sessionSchema = Type.Object(
  {
    sid,
    current: Type.Boolean({ description: 'Whether the access token of this request belongs to it.' }),
    created_at: time('When it was signed in.'),
    last_used_at: time('When its refresh token was last rotated.'),
    expires_at: time('When it ends if its refresh token is not used before.'),
    device: Type.String({ description: 'What the client calls itself; a label, not evidence.' }),
    ip: Type.String({ description: 'The address it was signed in from.' }),
    amr: Type.Array(Type.String(), { description: 'How the user was authenticated (RFC 8176).' }),
  },
  closed,
)

const ownEvent = Type.Object(
  {
    at: time('When it happened, or first happened.'),
    until: Type.Optional(time('When it last happened, if more than once.')),
    count: Type.Integer({ description: 'How often it happened in a row.' }),
    sentence: Type.String({ description: 'What happened, in words.' }),
    client: Type.Optional(Type.String({ description: 'What the client calls itself.' })),
    network: Type.Optional(Type.String({ description: 'The network of its address.' })),
  },
  closed,
)

const ownSessionSchema = Type.Object(
  {
    ...sessionSchema.properties,
    events: Type.Array(ownEvent, { description: 'What happened to it: the sign-in and the newest, oldest first.' }),
  },
  closed,
)

export const ownSession = Type.Object(
  {
    ...ownSessionSchema.properties,
    ended: Type.Optional(
      Type.Object(
        { at: time('When it ended.'), sentence: Type.String({ description: 'Why, in words.' }) },
        { ...closed, description: 'Absent while it lives.' },
      ),
    ),
  },
  closed,
)

export const sessionList = Type.Object({ sessions: Type.Array(ownSessionSchema) }, closed)

export const adminSessionSchema = Type.Object(
  {
    ...sessionSchema.properties,
    sub: subject,
    generation: Type.Integer({ description: 'Which refresh token of the session is the newest.' }),
    roles,
    scope,
    ended_at: Type.Optional(time('When it ended; absent while it lives.')),
    end_reason: Type.Optional(Type.String({ description: 'Why it ended.' })),
  },
  closed,
)

export const adminSessionList = Type.Object(
  {
    sessions: Type.Array(adminSessionSchema),
    next: Type.Optional(
      Type.String({
        description:
          'Give this as `after` for the next page; absent on the last one. A page looks at so many subjects and no further: it may be short, even empty.',
      }),
    ),
  },
  closed,
)

export const ended = Type.Object({ ended: Type.Integer({ description: 'How many sessions were ended.' }) }, closed)

export const userSchema = Type.Object(
  { sub: subject, roles, scope, disabled: Type.Boolean(), created_at: time('When the user was created.') },
  closed,
)

export const userList = Type.Object(
  {
    users: Type.Array(userSchema),
    next: Type.Optional(
      Type.String({ description: 'Give this as `after` for the next page; absent on the last one.' }),
    ),
  },
  closed,
)

export const changedUser = Type.Object(
  { user: userSchema, ended: Type.Integer({ description: 'How many of the user’s sessions were ended.' }) },
  closed,
)

export const newUserBody = Type.Object(
  { username, password, roles: Type.Optional(roles), scope: Type.Optional(scope) },
  closed,
)

export const userChangeBody = Type.Object(
  {
    password: Type.Optional(password),
    roles: Type.Optional(roles),
    scope: Type.Optional(scope),
    disabled: Type.Optional(Type.Boolean({ description: 'A disabled user cannot sign in.' })),
  },
  { ...closed, minProperties: 1 },
)

// A string: nothing on the wire is coerced.
export const pageLimit = Type.String({
  pattern: '^([1-9][0-9]?|1[0-9][0-9]|200)$',
  description: '1 to 200; default 50.',
})

/** Of what is listed a page at a time, how much comes when nobody says. */
export const defaultPageLimit = 50

// What is in one only src/cursor.ts knows.
const cursor = Type.String({ pattern: '^[A-Za-z0-9_-]{1,200}$', description: '`next` of the page before.' })

export const userPage = Type.Object(
  {
    after: Type.Optional(cursor),
    limit: Type.Optional(pageLimit),
  },
  closed,
)

export const sessionListQuery = Type.Object(
  {
    sub: Type.Optional(subject),
    after: Type.Optional(cursor),
    limit: Type.Optional(pageLimit),
  },
  closed,
)

// Any text: what is no session identifier is a session that is not there.
export const sidParams = Type.Object(
  { sid: Type.String({ maxLength: 128, description: 'Session identifier.' }) },
  closed,
)
export const subjectParams = Type.Object({ sub: subject }, closed)
export const exceptQuery = Type.Object(
  { except: Type.Optional(Type.Literal('current', { description: 'Keeps the session of this request.' })) },
  closed,
)
export const noQuery = Type.Object({}, closed)

export const rotatedKey = Type.Object(
  {
    kid: Type.String({ description: 'The new key’s id.' }),
    active_from: time('From when on it signs; it is published already.'),
  },
  closed,
)

export const usageCounts = Type.Object(
  { counts: Type.Record(Type.String(), Type.Integer(), { description: 'How often each reason was recorded here.' }) },
  closed,
)

export const nothing = Type.Null({ description: 'No content.' })

export type LoginBody = Static<typeof loginBody>
export type TokenBody = Static<typeof tokenBody>
export type LogoutBody = Static<typeof logoutBody>
export type PasswordBody = Static<typeof passwordBody>
export type TokenResponse = Static<typeof tokenResponse>
export type SessionView = Static<typeof sessionSchema>
export type AdminSessionView = Static<typeof adminSessionSchema>
export type UserView = Static<typeof userSchema>
export type NewUserBody = Static<typeof newUserBody>
export type UserChangeBody = Static<typeof userChangeBody>
export type UserPage = Static<typeof userPage>
export type SessionListQuery = Static<typeof sessionListQuery>
