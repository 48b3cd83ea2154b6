// The words of the OpenAPI document about the gateway itself: its name, and the groups of its routes. What a route says of
// itself stands with the route.
import manifest from '../../../package.json' with { type: 'json' }

export const apiInfo = {
  title: 'Cardea',
  description: 'Sign-in, refresh, sessions and administration of the gateway, and the services behind it.',
  version: manifest.version,
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
}

/** The groups, in the order in which Swagger UI shows them; a route names one in its schema. */
export const apiTags = [
  { name: 'auth', description: 'Signing in, refreshing, signing out' },
  { name: 'sessions', description: 'The caller’s own sessions' },
  { name: 'admin', description: 'Users, sessions, keys and usage; needs the role admin' },
  { name: 'metadata', description: 'What other parties read about this gateway' },
  { name: 'health', description: 'For the machines that run it' },
]
