// The members of a route about what of a request and of its response passes as it came, where by default the gateway decides:
// members of a route in the config file.
import Type from 'typebox'

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
}
