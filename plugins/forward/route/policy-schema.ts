// What a route demands of its callers, as the config file writes it: for all methods, and for single ones.
import Type, { type Static } from 'typebox'
import { type ForwardedMethod, type FurtherMethod, forwardedMethods, furtherMethods } from './methods.ts'

const nameSchema = Type.String({ minLength: 1, maxLength: 128, pattern: '^[!#-\\[\\]-~]+$' })

/** `policy` of a route. */
export const policySchema = Type.Union(
  [
    Type.Literal('public'),
    Type.Literal('authenticated'),
    Type.Object(
      {
        roles: Type.Optional(
          Type.Array(nameSchema, {
            minItems: 1,
            maxItems: 50,
            description: 'The caller needs any one of these roles.',
          }),
        ),
        scopes: Type.Optional(
          Type.Array(nameSchema, { minItems: 1, maxItems: 50, description: 'The token needs all of these scopes.' }),
        ),
      },
      { additionalProperties: false, minProperties: 1 },
    ),
  ],
  { description: 'What the route demands: public, authenticated, { roles: […] } or { scopes: […] }.' },
)

export type PolicyConfig = Static<typeof policySchema>

/** `methods` of a route. Editors complete those that every route takes. */
export const methodsSchema = Type.Unsafe<Partial<Record<ForwardedMethod | FurtherMethod, PolicyConfig>>>({
  type: 'object',
  properties: Object.fromEntries(forwardedMethods.map((method) => [method, policySchema])),
  patternProperties: { [`^(?:${furtherMethods.join('|')})$`]: policySchema },
  additionalProperties: false,
  description:
    'A policy for single methods; beats `policy`. Every route takes GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS. Of these it ' +
    `takes those that it names here: ${furtherMethods.join(', ')}. There are no others: Node’s HTTP parser reads none.`,
})
