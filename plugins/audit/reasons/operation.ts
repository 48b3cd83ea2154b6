// The reasons of operation: what administrators did, and what is the matter with store, clock and keys.
import type { ReasonRow } from './row.ts'

export const operation = {
  clock_jumped: {
    meaning: 'a clock was set: nothing that protects is forgotten for now',
    title: 'A clock was set',
    tone: 'alarm',
    level: 'warn',
  },
  keys_rotated: {
    meaning: 'a new signing key was made and published',
    title: 'Signing key made',
    tone: 'plain',
    lasts: true,
  },
  keys_rotation_asked: {
    meaning: 'an administrator asked for a new signing key',
    title: 'Signing key asked for',
    tone: 'plain',
    lasts: true,
  },
  record_forged: {
    meaning: 'a record in the store that no gateway wrote was refused; `detail` says which',
    title: 'Forged record in the store',
    tone: 'alarm',
    level: 'warn',
  },
  revocation_asked: {
    meaning: 'an administrator revoked a session, a subject, a token, a signing key or everyone',
    title: 'Revocation by an operator',
    tone: 'plain',
    lasts: true,
  },
  store_alarm: {
    meaning: 'something is the matter with the store; `detail` says what and what to do',
    title: 'The store needs a look',
    tone: 'alarm',
    level: 'warn',
    lasts: true,
  },
  user_added: {
    meaning: 'an administrator added a user',
    title: 'User added',
    tone: 'plain',
    lasts: true,
  },
  user_changed: {
    meaning: 'an administrator changed a user',
    title: 'User changed',
    tone: 'plain',
    lasts: true,
  },
} as const satisfies Record<string, ReasonRow>
