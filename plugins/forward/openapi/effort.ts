// What a value that a client sends may cost to be judged: about as much as it is long. Used by schemas.ts.
// Of itself a schema can cost the square of a list's length, or twice as much with each level of a body; a gateway that judges one
// request for minutes answers no other one meanwhile.
import type { Ajv2020 } from 'ajv/dist/2020.js'

/** Put into every schema that others refer to: what grows without end goes through one of them again and again. */
export const stepKeyword = 'x-cardea-step'

/** What is thrown out of a judgement that takes too long. */
export class TooMuchEffort extends Error {}

/** Steps that every value has, for a schema that goes back on its choices; beyond them one for each byte. */
const freeSteps = 100_000

/** Counts the steps of the judgements of one Ajv, which never wait. */
export class Effort {
  #stepsLeft = 0

  /** @param ajv whose keywords are replaced */
  constructor(ajv: Ajv2020) {
    ajv.removeKeyword('uniqueItems')
    ajv.addKeyword({
      keyword: 'uniqueItems',
      type: 'array',
      schemaType: 'boolean',
      errors: false,
      error: { message: 'must NOT have duplicate items' },
      validate: (isWanted: boolean, items: unknown[]) => !isWanted || areDistinct(items),
    })
    // Before anything that may fail, so that a step that leads nowhere counts as well.
    ajv.addKeyword({ keyword: stepKeyword, before: '$ref', schema: false, validate: () => this.#step() })
  }

  /**
   * Begins a judgement.
   * @param bytes how long the value was on the wire
   */
  begin(bytes: number): void {
    this.#stepsLeft = freeSteps + bytes
  }

  #step(): boolean {
    this.#stepsLeft -= 1
    if (this.#stepsLeft < 0) throw new TooMuchEffort()
    return true
  }
}

// Each item is looked at once, where comparing all pairs would take the square of their number.
function areDistinct(items: readonly unknown[]): boolean {
  return new Set(items.map(written)).size === items.length
}

// JSON with the members in one order: equal for what JSON Schema calls equal (2020-12 core, section 4.2.2).
function written(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => (isMembered(member) ? inOrder(member) : member))
}

function isMembered(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function inOrder(members: object): object {
  const ordered: object = Object.create(null)
  for (const [name, value] of Object.entries(members).sort(([one], [other]) => (one < other ? -1 : 1))) {
    Object.defineProperty(ordered, name, { value, enumerable: true })
  }
  return ordered
}
