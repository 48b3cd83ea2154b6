// How a route's connections to its service are encrypted: the member `tls` in the config file.
import Type, { type Static } from 'typebox'

/** `tls` of a route. */
export const tlsSchema = Type.Object(
  {
    caFile: Type.Optional(
      file('PEM file with the authorities that are trusted for this service, in the place of the public ones'),
    ),
    certFile: Type.Optional(
      file(
        'PEM file with the certificate that the gateway shows to the service, and what leads from it to its authority',
      ),
    ),
    keyFile: Type.Optional(file('PEM file with the key of that certificate, without a passphrase')),
    serverName: Type.Optional(
      Type.String({
        maxLength: 253,
        pattern: '^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$',
        description: 'The name that the certificate must be for; the host of the upstream when absent.',
      }),
    ),
  },
  {
    additionalProperties: false,
    minProperties: 1,
    description:
      'For https upstreams, and for a document whose URL is one of theirs; certificates are always verified. A document from ' +
      'elsewhere is verified by the public authorities.',
  },
)

export type TlsFiles = Static<typeof tlsSchema>

function file(what: string) {
  return Type.String({ minLength: 1, maxLength: 1024, description: `${what}; a path relative to this file.` })
}
