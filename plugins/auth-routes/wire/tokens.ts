// The bodies of login, token, logout and password, and the token response, as TypeBox schemas.
import Type, { type Static } from 'typebox'
import {
  closed,
  password,
  refreshToken,
  resource,
  resourceDescription,
  scope,
  scopeDescription,
  sid,
  textLimit,
  username,
} from './fields.ts'

export const loginBody = Type.Object(
  {
    username,
    password,
    delivery: Type.Optional(
      Type.Enum(['cookie', 'body'], {
        type: 'string',
        default: 'cookie',
        description:
          'Where the refresh token goes: an HttpOnly cookie, or the response itself (for clients that are no browser).',
      }),
    ),
    scope: Type.Optional(scope),
    resource: Type.Optional(resource),
  },
  { ...closed, examples: [{ username: 'alice', password: 'correct horse battery staple' }] },
)

// Without a value it is as if omitted (RFC 6749 section 3.2). That is the example, too: a page that tries requests out fills it in.
const omissible = (description: string) =>
  Type.Optional(Type.String({ maxLength: textLimit, description, examples: [''] }))

export const tokenBody = Type.Object(
  {
    grant_type: Type.String({ maxLength: textLimit, description: '`refresh_token`.', examples: ['refresh_token'] }),
    refresh_token: omissible('The refresh token, unless it is in the cookie.'),
    scope: omissible(scopeDescription),
    resource: omissible(resourceDescription),
    client_id: omissible('Taken and ignored: there is one client.'),
  },
  { ...closed, examples: [{ grant_type: 'refresh_token' }] },
)

export const logoutBody = Type.Object({ refresh_token: Type.Optional(refreshToken) }, { ...closed, examples: [{}] })

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
    warning: Type.Optional(
      Type.String({
        description:
          'Only at a sign-in by cookie whose browser will drop the cookie: why, and what to do. For developers.',
      }),
    ),
  },
  { ...closed, description: 'Token response (RFC 6749 section 5.1).' },
)

export type LoginBody = Static<typeof loginBody>

export type TokenBody = Static<typeof tokenBody>

export type LogoutBody = Static<typeof logoutBody>

export type PasswordBody = Static<typeof passwordBody>

export type TokenResponse = Static<typeof tokenResponse>
