// Copies parts of an OpenAPI document with their references rewritten: what is referred to is copied too, once, under a name
// that whoever copies gives. It knows where in a document schemas stand, so that an example is never taken for one.
import { isObject, type JsonObject, memberOf, withMember } from './json.ts'
import { type Member, memberOfKind, type NodeKind } from './kinds.ts'
import { DocumentError, type SourceDocument } from './parsed.ts'
import { type DocumentPlace, follow, isReference } from './references.ts'

// A reference has no meaning inside the value of an example, but documents have one there, and whoever shows it follows it.
function memberCopied(kind: NodeKind, name: string): Member | undefined {
  if (kind === 'example') return ['one', 'example']
  if (name === 'example') return ['one', 'example']
  return kind === 'schema' && name === 'examples' ? ['list', 'example'] : memberOfKind(kind, name)
}

export interface CopyOptions {
  document: SourceDocument
  /** Whether what stands beside a `$ref` of a schema counts: it does from 3.1 on. */
  keepsSiblings: boolean
  /** Names a value that is referred to: the reference to write, unique for the place. */
  referenceTo: (place: DocumentPlace, kind: NodeKind) => string
  /** Gives a copied schema its last form; its parts have theirs. */
  finish: (schema: JsonObject) => JsonObject
  /** Members that are not copied, and with them no extension (`x-…`). */
  omitted?: Partial<Record<NodeKind, readonly string[]>>
}

/** A copier of one document. What its copies refer to waits in `pending`. */
export class Copier {
  readonly #options: CopyOptions
  readonly #references = new Map<string, string>()
  /** References that are being replaced by what they name. */
  readonly #inlined = new Set<string>()
  #pending: { place: DocumentPlace; kind: NodeKind; reference: string }[] = []

  constructor(options: CopyOptions) {
    this.#options = options
  }

  /**
   * Copies a value and, through `place`, everything that it refers to and that was not copied before.
   * @param file that its references are relative to
   * @param place takes each value that is referred to, under the reference that was written for it
   * @throws DocumentError when a reference leads nowhere
   */
  copy(node: unknown, kind: NodeKind, file: string, place: (reference: string, copied: unknown) => void): unknown {
    const copied = this.#copy(node, kind, file)
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      place(next.reference, this.#copy(next.place.node, next.kind, next.place.file))
    }
    return copied
  }

  #copy(node: unknown, kind: NodeKind, file: string): unknown {
    if (!isObject(node)) return node
    if (!isReference(node)) return this.#members(node, kind, file)
    if (kind === 'example' && !this.#leads(node.$ref, file)) return node
    if (kind === 'mediaType') return this.#inline(node.$ref, kind, file)
    const $ref = this.#reference(node.$ref, kind, file)
    if (kind !== 'schema' || !this.#options.keepsSiblings) return { $ref }
    const { $ref: _, ...siblings } = node
    return Object.keys(siblings).length === 0 ? { $ref } : { ...this.#members(siblings, kind, file), $ref }
  }

  // OpenAPI 3.2 has references to media types; in the words of 3.1 there is no place for what they name.
  #inline(written: string, kind: NodeKind, file: string): unknown {
    const place = follow(this.#options.document, written, file)
    if (this.#inlined.has(place.id)) throw new DocumentError(`${written} in ${file} refers to itself.`)
    this.#inlined.add(place.id)
    const copied = this.#members(isObject(place.node) ? place.node : {}, kind, place.file)
    this.#inlined.delete(place.id)
    return copied
  }

  #leads(written: string, file: string): boolean {
    try {
      return Boolean(follow(this.#options.document, written, file))
    } catch {
      return false
    }
  }

  #reference(written: string, kind: NodeKind, file: string): string {
    const place = follow(this.#options.document, written, file)
    const known = this.#references.get(place.id)
    if (known !== undefined) return known
    const reference = this.#options.referenceTo(place, kind)
    this.#references.set(place.id, reference)
    this.#pending.push({ place, kind, reference })
    return reference
  }

  #members(node: JsonObject, kind: NodeKind, file: string): JsonObject {
    const copied: JsonObject = {}
    for (const [name, value] of Object.entries(node)) {
      if (this.#isOmitted(name, kind)) continue
      const member = memberCopied(kind, name)
      if (kind === 'schema' && name === 'discriminator') withMember(copied, name, this.#discriminator(value, file))
      else withMember(copied, name, member === undefined ? value : this.#member(value, member, file))
    }
    return kind === 'schema' ? this.#options.finish(copied) : copied
  }

  // Extensions go with what is left out: they are a service's own, and may refer to what is not here.
  #isOmitted(name: string, kind: NodeKind): boolean {
    const { omitted } = this.#options
    if (omitted === undefined) return false
    return omitted[kind]?.includes(name) === true || (kind !== 'example' && name.startsWith('x-'))
  }

  // OpenAPI 3.1 section 4.8.25: what its mapping names are references, or names of schemas, and none is written as `$ref`.
  #discriminator(value: unknown, file: string): unknown {
    const mapping = memberOf(value, 'mapping')
    if (!isObject(value) || !isObject(mapping)) return value
    const copied: JsonObject = {}
    for (const [name, written] of Object.entries(mapping)) {
      const spellings = [`#/components/schemas/${String(written)}`, String(written)]
      const leading = spellings.find((reference) => this.#leads(reference, file))
      if (leading !== undefined) withMember(copied, name, this.#reference(leading, 'schema', file))
    }
    return { ...value, mapping: copied }
  }

  #member(value: unknown, [many, kind]: Member, file: string): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#copy(one, kind, file))
    if (many !== 'map' || !isObject(value)) return this.#copy(value, kind, file)
    const copied: JsonObject = {}
    for (const [name, one] of Object.entries(value)) withMember(copied, name, this.#copy(one, kind, file))
    return copied
  }
}
