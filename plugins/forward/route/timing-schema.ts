// Durations in the schema of a route, and the members that are made of them: when an instance is left alone, and how it is asked
// whether it is well.
import Type from 'typebox'
import { durationPattern, parseDurationMs, writeDuration } from '../../clocks/durations.ts'

export interface DurationLimits {
  /** A duration, as it would be written. */
  standard: string
  minMs?: number
  maxMs?: number
  /** Nothing finer than this is taken. */
  stepMs?: number
}

/**
 * The schema of a duration. A pattern cannot compare: what is too short or too long is told by the refinement, which is not
 * published.
 */
export function duration(description: string, { standard, minMs = 1, maxMs = 86_400_000, stepMs = 1 }: DurationLimits) {
  const isTaken = (text: string) => {
    const ms = parseDurationMs(text) ?? 0
    return ms >= minMs && ms <= maxMs && ms % stepMs === 0
  }
  const limits = `A duration from ${writeDuration(minMs)} to ${writeDuration(maxMs)}, such as ${standard}.`
  const schema = Type.String({
    pattern: durationPattern,
    default: standard,
    examples: [standard],
    description: `${description} ${limits}`,
  })
  return Type.Refine(schema, isTaken, () => limits)
}

/** `ejection` of a route. */
export const ejectionSchema = Type.Object(
  {
    failures: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: 5,
        description: 'Failures in a row that take an instance out.',
      }),
    ),
    first: Type.Optional(
      duration('How long it is out at first; doubled each time it happens again.', { standard: '1s' }),
    ),
    max: Type.Optional(duration('How long it is out at most.', { standard: '1m' })),
  },
  {
    additionalProperties: false,
    description:
      'When an instance gets no requests for a while: it cannot be reached, or responds with 502, 503, 504 or not at all. The ' +
      'last one is taken out only if it cannot be reached; then requests get 503 at once.',
  },
)

/** `health` of a route. */
export const healthSchema = Type.Object(
  {
    path: Type.String({
      maxLength: 512,
      pattern: '^/[!-~]*$',
      description: 'The path that is asked for by GET; 2xx means healthy.',
    }),
    interval: Type.Optional(duration('Pause between two checks.', { standard: '5s' })),
    timeout: Type.Optional(duration('How long the response to a check may take.', { standard: '2s' })),
    failures: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        default: 2,
        description: 'Failed checks in a row after which an instance gets no requests.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Asks each instance at intervals whether it is healthy.' },
)
