// The query of a request, taken apart once: names decoded, values still as they came, because some of them are lists whose
// commas must be told from encoded ones.
import { isScalar, type Raw, type ValueShape } from './value-shape.ts'

/** Values by decoded name, in the order in which they came; undefined where an escape means nothing. */
export type Query = ReadonlyMap<string, readonly string[]>

/**
 * Takes a query apart (the form that browsers send: `+` is a blank).
 * @param target origin-form
 */
export function queryOf(target: string): Query | undefined {
  const start = target.indexOf('?')
  const query = new Map<string, string[]>()
  if (start === -1) return query
  for (const pair of target.slice(start + 1).split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decoded(equals === -1 ? pair : pair.slice(0, equals))
    const value = equals === -1 ? '' : pair.slice(equals + 1)
    if (name === undefined || decoded(value) === undefined) return undefined
    const known = query.get(name)
    if (known === undefined) query.set(name, [value])
    else known.push(value)
  }
  return query
}

/** A part of a query, decoded; undefined when it is not UTF-8 in percent-encoding. */
export function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

const deepestMember = 5

/**
 * The members of a parameter in the style deepObject: `name[a]=1&name[b][c]=2`, and lists as `name[]=1`, `name[0]=1` or, where
 * the document has a list, `name[a]=1&name[a]=2`.
 * @returns undefined when none came; a sentence when they contradict each other
 */
export function membersOf(query: Query, name: string, shape: ValueShape): Raw | { fault: string } | undefined {
  const root: Branch = new Map()
  for (const [key, values] of query) {
    if (!key.startsWith(`${name}[`)) continue
    const path = memberPath(key.slice(name.length))
    if (path === undefined) return { fault: 'has a member whose name cannot be read' }
    for (const value of values) {
      if (!place(root, path, decoded(value) ?? '', shape)) return { fault: 'has a member that is there twice' }
    }
  }
  return root.size === 0 ? undefined : rawOf(root, shape)
}

type Branch = Map<string, Branch | string[]>

function memberPath(text: string): string[] | undefined {
  if (!/^(?:\[[^[\]]*\])+$/.test(text)) return undefined
  const path = text.slice(1, -1).split('][')
  return path.length > deepestMember ? undefined : path
}

function place(root: Branch, path: readonly string[], value: string, shape: ValueShape): boolean {
  let branch = root
  for (const step of path.slice(0, -1)) {
    const next = branch.get(step) ?? new Map()
    if (Array.isArray(next)) return false
    branch.set(step, next)
    branch = next
  }
  const last = path.at(-1) ?? ''
  const leaf = branch.get(last)
  if (leaf === undefined) return Boolean(branch.set(last, [value]))
  // Only what is added to a list can be there again.
  const isList = last === '' || path.reduce(memberOfShape, shape).types.has('array')
  return Array.isArray(leaf) && isList && leaf.push(value) > 0
}

function memberOfShape(shape: ValueShape, name: string): ValueShape {
  return shape.properties.get(name) ?? shape.others ?? shape.items
}

function rawOf(branch: Branch, shape: ValueShape): Raw {
  const isList = shape.types.has('array') && [...branch.keys()].every((name) => /^[0-9]*$/.test(name))
  if (isList)
    return [...branch.values()].flatMap((child) => (Array.isArray(child) ? child : [rawOf(child, shape.items)]))
  const members = new Map<string, Raw>()
  for (const [name, child] of branch) {
    const childShape = memberOfShape(shape, name)
    members.set(name, Array.isArray(child) ? leafOf(child, childShape) : rawOf(child, childShape))
  }
  return members
}

// One value for a member that may be a list or not is left to be either.
function leafOf(values: string[], { types }: ValueShape): Raw {
  const isList = values.length > 1 || (types.has('array') && !isScalar(types))
  return isList ? values : (values[0] ?? '')
}
