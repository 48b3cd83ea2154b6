// References (`$ref`, RFC 3986 and RFC 6901): where one leads in the files of a document.
import { isObject, memberOf } from './json.ts'
import { DocumentError, type SourceDocument } from './parsed.ts'

/** A value of a document, and the file that its own references are relative to. */
export interface DocumentPlace {
  node: unknown
  /** URL of the file. */
  file: string
  /** Names the place; equal for every spelling of a reference to it. */
  id: string
}

const maxChain = 50

/**
 * Follows a reference to a value that is none itself.
 * @param reference relative to the file
 * @throws DocumentError when it leads nowhere, or in a circle
 */
export function follow(document: SourceDocument, reference: string, file: string): DocumentPlace {
  let place = step(document, reference, file)
  for (let steps = 0; isReference(place.node); steps += 1) {
    // In 3.1 a schema may add to what it refers to; then it is a value of its own.
    if (Object.keys(place.node).length > 1) return place
    if (steps === maxChain) throw new DocumentError(`${reference} in ${file} refers to itself.`)
    place = step(document, place.node.$ref, place.file)
  }
  return place
}

/** Where a value is: there, or where it refers to. @throws DocumentError when a reference leads nowhere */
export function placeOf(document: SourceDocument, node: unknown, file: string): DocumentPlace {
  return isReference(node) ? follow(document, node.$ref, file) : { node, file, id: '' }
}

/** Whether a value stands for another one. */
export function isReference(node: unknown): node is { $ref: string } {
  return isObject(node) && typeof memberOf(node, '$ref') === 'string'
}

/**
 * Takes one reference, wherever it leads.
 * @throws DocumentError when that is nowhere
 */
export function step({ files }: SourceDocument, reference: string, base: string): DocumentPlace {
  const url = new URL(reference, base)
  const pointer = url.hash.slice(1)
  url.hash = ''
  let node = files.get(url.href)
  for (const name of stepsOf(pointer) ?? lost(reference, base)) {
    node = Array.isArray(node) ? node[Number(name)] : memberOf(node, name)
    if (node === undefined) lost(reference, base)
  }
  if (node === undefined) lost(reference, base)
  return { node, file: url.href, id: `${url.href}#${pointer}` }
}

function lost(reference: string, base: string): never {
  throw new DocumentError(`${reference} in ${base} leads nowhere.`)
}

// RFC 6901 sections 4 and 6. An anchor (`#name`) is no pointer: what it names is not looked for.
function stepsOf(pointer: string): string[] | undefined {
  if (pointer === '') return []
  return decodedPointer(pointer)
    ?.split('/')
    .slice(pointer.startsWith('/') ? 1 : 0)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function decodedPointer(pointer: string): string | undefined {
  try {
    return decodeURIComponent(pointer)
  } catch {
    return undefined
  }
}
