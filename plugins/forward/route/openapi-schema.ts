// The OpenAPI document of a route's service, as the config file names it: a member of the route's schema. It says where the
// document is and how far it is trusted; nothing here reads it.
import Type from 'typebox'

const documentSchema = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: 'The OpenAPI 3.0, 3.1 or 3.2 document of the service: a path, relative to this file, or an http(s) URL.',
})

const trustedDocumentSchema = Type.Object(
  {
    document: documentSchema,
    base: Type.Optional(
      Type.String({
        maxLength: 256,
        pattern: '^/',
        description:
          'The path of the operations at the service, in the place of all `servers` of the document; `/` for none.',
      }),
    ),
    maxFiles: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        default: 200,
        description: 'How many files the document may have, with those that its references name.',
      }),
    ),
    policies: Type.Optional(
      Type.Enum(['config', 'both', 'document'], {
        type: 'string',
        default: 'config',
        description:
          'Whose policies count. `config`: this file’s, and the document’s `x-cardea-policy` on top. `both`: its ' +
          '`security` on top as well. `document`: what the document says takes the place of this file’s.',
      }),
    ),
    undeclaredQuery: Type.Optional(
      Type.Enum(['refuse', 'pass'], {
        type: 'string',
        default: 'refuse',
        description: 'What becomes of names in the query that the operation does not have.',
      }),
    ),
    commas: Type.Optional(
      Type.Enum(['either', 'strict'], {
        type: 'string',
        default: 'either',
        description:
          'What parts the items of a list in the query (`form` without `explode`). `either`: encoded commas too, unless the ' +
          'document names a value with a comma. `strict`: commas that stand as themselves.',
      }),
    ),
    bodyLimitBytes: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2 ** 26,
        default: 1_048_576,
        description: 'Largest JSON body, which is read whole to be validated; then 413.',
      }),
    ),
  },
  {
    additionalProperties: false,
    description: 'The document, and how far it is trusted.',
  },
)

/** The member `openapi` of a route. */
export const openapiSchema = Type.Union([documentSchema, trustedDocumentSchema], {
  description: 'With a document only its operations are forwarded, and what they receive is validated before.',
})
