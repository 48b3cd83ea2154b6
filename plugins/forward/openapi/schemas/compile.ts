// The schemas that check requests of one document: gathered with all that they refer to, and compiled by Ajv. One that cannot
// be compiled makes its operation unusable, never unchecked.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { Copier } from '../document/copy.ts'
import { isObject, type JsonObject } from '../document/json.ts'
import { type DocumentPlace, placeOf } from '../document/references.ts'
import { DocumentError, type SourceDocument } from '../document/source.ts'
import { type DialectOptions, finishSchema } from './dialect.ts'
import { requireNothingReadOnly } from './read-only.ts'
import { BudgetExceeded, type PatternExpression, stepKeyword, ValidationBudget } from './validation-budget.ts'

/** What is wrong with a value: the place in it, a JSON pointer, and a sentence without a subject. */
export interface Fault {
  path: string
  message: string
}

export interface RequestSchema {
  /** The schema itself, in the words of 2020-12; its references are looked up with `definition`. */
  schema: unknown
  /**
   * @param bytes how long the value was, where it can be long: so much may be done to check it
   * @returns what is wrong, or undefined
   */
  faultOf(value: unknown, bytes?: number): Fault | undefined
}

export class RequestSchemas {
  /** What schemas refer to, by the reference; Ajv knows each under the same name and compiles it once. */
  readonly #definitions = new Map<string, unknown>()
  readonly #document: SourceDocument
  readonly #copier: Copier
  readonly #ajv: Ajv2020
  readonly #budget: ValidationBudget
  /** Copied, and still to be looked at with all that they refer to. */
  #fresh: JsonObject[] = []
  #count = 0

  constructor(document: SourceDocument, dialect: Omit<DialectOptions, 'forRequests'>) {
    this.#document = document
    this.#copier = new Copier({
      document,
      keepsSiblings: !dialect.isOld,
      referenceTo: () => this.#newReference(),
      finish: (schema) => this.#noted(finishSchema(schema, { ...dialect, forRequests: true })),
    })
    this.#ajv = ajvFor(dialect, (pattern) => this.#budget.expression(pattern))
    this.#budget = new ValidationBudget(this.#ajv)
  }

  /**
   * Takes a schema of the document.
   * @param file that its references are relative to
   * @throws DocumentError when it cannot be compiled
   */
  take(schema: unknown, file: string): RequestSchema {
    const { copied, added } = this.#gather(schema, file)
    for (const reference of added) this.#compileDefinition(reference)
    const validate = this.#compile(copied)
    return {
      schema: copied,
      faultOf: (value, bytes = 0) => this.#faultOf(validate, value, bytes),
    }
  }

  /**
   * Compiles what a schema refers to, so that taking it is quick. It gives way to other work after each definition.
   * @throws DocumentError when a reference leads nowhere
   */
  async prepare(schema: unknown, file: string): Promise<void> {
    for (const reference of this.#gather(schema, file).added) {
      this.#compileDefinition(reference)
      await nextTurn()
    }
  }

  // The deepest first: each finds compiled what it refers to, so that a long chain of references is no deep recursion, and is
  // not gone through again for each operation that leads into it.
  #gather(schema: unknown, file: string): { copied: unknown; added: readonly string[] } {
    const added: string[] = []
    const copied = this.#copier.copy(schema, 'schema', file, (reference, definition) => {
      this.#definitions.set(reference, definition)
      added.push(reference)
    })
    for (const one of this.#fresh.splice(0)) requireNothingReadOnly(one, (reference) => this.definition(reference))
    for (const reference of added) {
      const definition = this.definition(reference)
      if (isSchema(definition)) this.#ajv.addSchema(counted(definition), reference)
    }
    return { copied, added: added.reverse() }
  }

  #faultOf(validate: ValidateFunction, value: unknown, bytes: number): Fault | undefined {
    this.#budget.begin(bytes)
    try {
      return validate(value) ? undefined : faultFrom(validate.errors)
    } catch (error) {
      // References that lead on and on without taking anything of the value apart end the stack.
      if (!(error instanceof BudgetExceeded || error instanceof RangeError)) throw error
      return { path: '', message: 'takes too much work to be checked' }
    }
  }

  /** Where a value of the document is: there, or where it refers to. @throws DocumentError when that is nowhere */
  placeOf(node: unknown, file: string): DocumentPlace {
    return placeOf(this.#document, node, file)
  }

  /** What a reference of a taken schema stands for. */
  definition(reference: string): unknown {
    return this.#definitions.get(reference)
  }

  // What refers to nothing is written into whoever refers to it. What cannot be compiled is said by the operation that needs it.
  #compileDefinition(reference: string): void {
    if (!JSON.stringify(this.definition(reference)).includes('"$ref":')) return
    try {
      this.#ajv.getSchema(reference)
    } catch {
      // See above.
    }
  }

  #noted(schema: JsonObject): JsonObject {
    this.#fresh.push(schema)
    return schema
  }

  #newReference(): string {
    this.#count += 1
    return `definition-${this.#count}`
  }

  #compile(schema: unknown): ValidateFunction {
    if (!isSchema(schema)) throw new DocumentError('a schema is neither an object nor a boolean')
    try {
      return this.#ajv.compile(schema)
    } catch (error) {
      throw new DocumentError(`a schema cannot be compiled (${error instanceof Error ? error.message : String(error)})`)
    }
  }
}

function counted(definition: JsonObject | boolean): JsonObject | boolean {
  return isObject(definition) ? { ...definition, [stepKeyword]: true } : definition
}

function isSchema(value: unknown): value is JsonObject | boolean {
  return isObject(value) || typeof value === 'boolean'
}

function ajvFor(
  { onWarning }: Omit<DialectOptions, 'forRequests'>,
  regExp: (pattern: string) => PatternExpression,
): Ajv2020 {
  const say = (...words: unknown[]) => onWarning(words.join(' '))
  const ajv = new Ajv2020({
    // A document of somebody else's: what Ajv does not know is not an error.
    strict: false,
    strictNumbers: true,
    // 4.35 is a multiple of 0.01, though not for a division of binary fractions.
    multipleOfPrecision: 6,
    validateSchema: false,
    // One is enough to refuse, and a request must not choose how much work it is.
    allErrors: false,
    // A member that every object inherits is not in the message.
    ownProperties: true,
    logger: { log: say, warn: say, error: say },
    code: { regExp: Object.assign(regExp, { code: 'expression' }) },
  })
  addFormats.default(ajv)
  return ajv
}

// The last one is the outermost: of a choice that fits nothing, the choice.
function faultFrom(errors: ErrorObject[] | null | undefined): Fault {
  const error = errors?.at(-1)
  const name: unknown = error?.params['missingProperty'] ?? error?.params['additionalProperty']
  const beyond = typeof name === 'string' ? `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}` : ''
  return { path: `${error?.instancePath ?? ''}${beyond}`, message: error?.message ?? 'is not valid' }
}
