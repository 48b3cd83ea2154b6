// The reason of a refresh: what the store did with the presented token, as a word of the table of reasons.
import type { Reason } from '../audit/reasons/index.ts'
import type { RotateOutcome } from './port/store.ts'

/** The reason that the event of a refresh names. */
export function reasonOf(rotated: RotateOutcome): Reason {
  switch (rotated.outcome) {
    case 'rotated':
    case 'reused':
      return rotated.outcome
    case 'retried':
      return rotated.why === 'lost_answer' ? 'retried_lost_answer' : 'retried_concurrent'
    case 'expired':
      return rotated.why === 'idle' ? 'expired_idle' : 'expired_absolute'
    case 'healed':
      return 'ahead_healed'
    case 'ahead':
      return 'ahead_refused'
    case 'revoked':
    case 'user_changed':
      return 'session_ended'
    case 'unknown':
      return 'unknown_session'
  }
}
