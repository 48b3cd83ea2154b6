// The members of a route about what of a request and of its response passes as it came, where by default the gateway decides:
// members of a route in the config file.
import Type from 'typebox'
import { continuable } from '../headers/continued.ts'

/** Members of a route. */
export const passingMembers = {
  encodedSlashes: Type.Optional(
    Type.Enum(['refuse', 'pass'], {
      type: 'string',
      default: 'refuse',
      description:
        'What becomes of `%2F` in a path. `refuse`: 400. `pass`: it goes on as it came, for services whose names have slashes ' +
        '(npm’s `@scope%2Fname`, GitLab’s `group%2Fproject`, RabbitMQ’s `/%2F/`). What a service that reads it as a slash would ' +
        'take for another route’s, another operation’s or a dot segment is 400 all the same.',
    }),
  ),
  host: Type.Optional(
    Type.Enum(['instance', 'pass'], {
      type: 'string',
      default: 'instance',
      description:
        'The Host that the service gets. `instance`: its own, from `upstream`. `pass`: the one that the client asked for, which is ' +
        'always one of ours.',
    }),
  ),
  ownOrigins: Type.Optional(
    Type.Array(
      Type.String({
        maxLength: 300,
        pattern: '^https?://(?:[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?$',
        description: 'An origin, such as https://orders.example.com.',
      }),
      {
        maxItems: 32,
        description:
          'Origins beside those of `upstream` that the service calls itself by; a `Location` there becomes a path of the route.',
      },
    ),
  ),
  cookieDomain: Type.Optional(
    Type.Enum(['keep', 'drop'], {
      type: 'string',
      default: 'keep',
      description:
        'What becomes of `Domain` in cookies that the service sets. `drop`: it is taken out, so that browsers keep them for the ' +
        'gateway’s host. `Path` is rewritten as `Location` is.',
    }),
  ),
  continues: Type.Optional(
    Type.Array(Type.Enum([...continuable], { type: 'string' }), {
      uniqueItems: true,
      maxItems: continuable.length,
      description:
        'Fields of a trusted proxy that go on, each where it has its form: `x-request-id` in the place of ours, ' +
        '`x-forwarded-prefix` in front of ours, `x-forwarded-port` as it is, `forwarded` with our element behind it. Only what ' +
        'the proxy itself sets or strips: else a client writes it.',
    }),
  ),
}
