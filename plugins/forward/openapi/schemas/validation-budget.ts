// Bounds the work of checking a value that a client sends: about linear in its length. Of itself a schema can cost the square of a
// list's length, or twice as much with each level of a body; a gateway that checks one request for minutes serves no other one
// meanwhile.
import type { Ajv2020 } from 'ajv/dist/2020.js'
import { linearPattern } from './pattern.ts'

/** Put into every schema that others refer to: what grows without end goes through one of them again and again. */
export const stepKeyword = 'x-cardea-step'

/** What is thrown out of a judgement that takes too long. */
export class BudgetExceeded extends Error {}

/** Steps that every value has, for a schema that goes back on its choices; beyond them one for each byte. */
const freeSteps = 100_000
/** Characters times instructions of a pattern that make one step. */
const patternWorkOfStep = 64

/** What Ajv asks of a regular expression. */
export interface PatternExpression {
  test(text: string): boolean
  toString(): string
}

/** Counts the steps of the judgements of one Ajv, which never wait. */
export class ValidationBudget {
  #stepsLeft = 0

  #values = new DistinctValues()

  /** @param ajv whose keywords are replaced */
  constructor(ajv: Ajv2020) {
    ajv.removeKeyword('uniqueItems')
    ajv.addKeyword({
      keyword: 'uniqueItems',
      type: 'array',
      schemaType: 'boolean',
      errors: false,
      error: { message: 'must NOT have duplicate items' },
      validate: (isWanted: boolean, items: unknown[]) => !isWanted || this.#values.areDistinct(items),
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
    this.#values = new DistinctValues()
  }

  /**
   * Makes the expression of a pattern for Ajv, which tells two of them apart by what they are as a string.
   * @throws PatternError
   */
  expression(source: string): PatternExpression {
    const { instructions, test } = linearPattern(source)
    return {
      test: (text) => {
        this.#spend((text.length * instructions) / patternWorkOfStep)
        return test(text)
      },
      toString: () => source,
    }
  }

  #step(): boolean {
    this.#spend(1)
    return true
  }

  #spend(steps: number): void {
    this.#stepsLeft -= steps
    if (this.#stepsLeft < 0) throw new BudgetExceeded()
  }
}

// Values that are equal for JSON Schema (2020-12 core, section 4.2.2) have one number. Each value of a body is looked at once,
// however many lists around it must hold different things.
class DistinctValues {
  readonly #numbers = new Map<string, number>()
  readonly #known = new WeakMap<object, number>()

  areDistinct(items: readonly unknown[]): boolean {
    return new Set(items.map((item) => this.#numberOf(item))).size === items.length
  }

  #numberOf(value: unknown): number {
    if (typeof value !== 'object' || value === null) return this.#numbered(JSON.stringify(value))
    const known = this.#known.get(value)
    if (known !== undefined) return known
    const made = this.#numbered(Array.isArray(value) ? this.#writeItems(value) : this.#writeMembers(value))
    this.#known.set(value, made)
    return made
  }

  #writeItems(items: readonly unknown[]): string {
    return `[${items.map((item) => this.#numberOf(item)).join()}]`
  }

  // In one order, whatever order they came in.
  #writeMembers(value: object): string {
    const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${this.#numberOf(member)}`)
    return `{${members.sort().join()}}`
  }

  #numbered(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const next = this.#numbers.size
    this.#numbers.set(text, next)
    return next
  }
}
