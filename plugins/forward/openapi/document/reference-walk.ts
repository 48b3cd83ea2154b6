// A walk over a document along its references, which tells what other files it needs. It starts at the paths and goes only where
// the standard has references, so that a `$ref` in an example or an extension names no file.
import { isObject, type JsonObject } from './json.ts'
import { memberOfKind, type NodeKind } from './kinds.ts'
import { DocumentError } from './parsed.ts'
import { type DocumentPlace, isReference, step } from './references.ts'

interface OpenReference {
  reference: string
  kind: NodeKind
  file: string
}

interface Stop {
  node: unknown
  kind: NodeKind
  file: string
}

export class ReferenceWalk {
  /** Objects that were looked at, as what. */
  readonly #seen = new Map<NodeKind, WeakSet<object>>()
  /** References into files that are not there yet. */
  #open: OpenReference[]

  /** @param root URL of the document */
  constructor(root: string) {
    this.#open = [{ reference: '', kind: 'document', file: root }]
  }

  /**
   * Goes on as far as it can.
   * @param files what was read so far, by URL; a file that was named before must be there
   * @returns URLs of files that are needed besides
   * @throws DocumentError for a `$ref` that is no reference
   */
  filesOf(files: ReadonlyMap<string, unknown>): string[] {
    const needed = new Set<string>()
    const document = { root: '', files }
    const stillOpen: OpenReference[] = []
    const waiting: Stop[] = []
    const enter = (reference: string, kind: NodeKind, file: string) => {
      const url = fileOf(reference, file)
      if (files.has(url))
        waiting.push(
          ...stopAt(
            placeIn(() => step(document, reference, file)),
            kind,
          ),
        )
      else {
        needed.add(url)
        stillOpen.push({ reference, kind, file })
      }
    }
    for (const { reference, kind, file } of this.#open) enter(reference, kind, file)
    for (let stop = waiting.pop(); stop !== undefined; stop = waiting.pop()) {
      const { node, kind, file } = stop
      if (!isObject(node) || this.#isKnown(node, kind)) continue
      if (isReference(node)) enter(node.$ref, kind, file)
      // What stands beside a reference counts for schemas, and is cheap to look at for all.
      waiting.push(...stopsIn(node, kind, file))
    }
    this.#open = stillOpen
    return [...needed]
  }

  #isKnown(node: object, kind: NodeKind): boolean {
    const seen = this.#seen.get(kind) ?? new WeakSet()
    this.#seen.set(kind, seen)
    return seen.has(node) || !seen.add(node)
  }
}

// A reference that leads nowhere is said where it is used.
function placeIn(find: () => DocumentPlace): DocumentPlace | undefined {
  try {
    return find()
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error
    return undefined
  }
}

function stopAt(place: DocumentPlace | undefined, kind: NodeKind): Stop[] {
  return place === undefined ? [] : [{ node: place.node, kind, file: place.file }]
}

function* stopsIn(node: JsonObject, kind: NodeKind, file: string): Generator<Stop> {
  for (const [name, value] of Object.entries(node)) {
    const [many, memberKind] = memberOfKind(kind, name) ?? []
    if (many === undefined || memberKind === undefined || typeof value !== 'object' || value === null) continue
    const isExtensible = memberKind === 'pathItem' || memberKind === 'response'
    const isOne = many === 'one' && !Array.isArray(value)
    for (const [key, one] of Object.entries(isOne ? { '': value } : value)) {
      if (!isExtensible || !key.startsWith('x-')) yield { node: one, kind: memberKind, file }
    }
  }
}

/** URL of the file that a reference names. @throws DocumentError when it is no reference */
function fileOf(reference: string, base: string): string {
  if (!URL.canParse(reference, base)) throw new DocumentError(`${base} refers to ${reference}, which is no reference.`)
  const url = new URL(reference, base)
  url.hash = ''
  return url.href
}
