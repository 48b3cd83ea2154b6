// Users as an administrator sees and writes them: TypeBox schemas of /admin/users.
import Type, { type Static } from 'typebox'
import { closed, password, roles, scope, subject, time, username } from '../../../plugins/auth-routes/wire/fields.ts'
import { cursor, pageLimit } from './pages.ts'

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

export const userPage = Type.Object(
  {
    after: Type.Optional(cursor),
    limit: Type.Optional(pageLimit),
  },
  closed,
)

export const subjectParams = Type.Object({ sub: subject }, closed)

export type UserView = Static<typeof userSchema>

export type NewUserBody = Static<typeof newUserBody>

export type UserChangeBody = Static<typeof userChangeBody>

export type UserPage = Static<typeof userPage>
