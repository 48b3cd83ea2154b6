// The members of a route about pages of its service in browsers, where all services and the gateway share one origin, and
// whether the service hears who asks: members of a route in the config file.
import Type from 'typebox'

/** Members of a route. */
export const pageMembers = {
  accessCookie: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        'Whether the access token may come in a cookie where no Bearer comes, from pages of our own and allowed origins: for ' +
        'EventSource, WebSockets, images, downloads and pages. While any route says so, a sign-in or refresh with delivery ' +
        '`cookie` sets it, for the audience and scope that were asked for.',
    }),
  ),
  responseHeaders: Type.Optional(
    Type.Object(
      {
        allow: Type.Array(
          Type.String({ minLength: 1, maxLength: 128, pattern: '^[A-Za-z0-9-]+$', description: 'Name of a field.' }),
          { maxItems: 64, description: 'Fields of responses that are withheld elsewhere.' },
        ),
      },
      {
        additionalProperties: false,
        description:
          'Services share one origin with the gateway, so what a response says about a whole origin is withheld: ' +
          'Service-Worker-Allowed, Clear-Site-Data, Strict-Transport-Security, NEL, Report-To, Reporting-Endpoints, ' +
          'Set-Login, X-Accel-*, X-Sendfile and the like. What `allow` names passes.',
      },
    ),
  ),
  serviceWorker: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        'Whether browsers may fetch scripts of service workers here; one answers for the pages under its folder, so never ' +
        'say so of `/`.',
    }),
  ),
  sandbox: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        'Adds `Content-Security-Policy: sandbox allow-scripts allow-forms …` to every response: pages run in an origin of ' +
        'their own, without the gateway’s cookies and storage. For services that show what others upload.',
    }),
  ),
  identityHeaders: Type.Optional(
    Type.Boolean({ default: true, description: 'Whether the service gets the x-auth-* fields.' }),
  ),
}
