// The paths of a document under a route's prefix, as the router is told of them. A path that could not be matched exactly as
// it is written is not served at all.
import { listIn, objectIn, textIn } from './document/json.ts'

/** Under which path a route finds what lies under which path at the service; `''` for the root. */
export interface Mapping {
  prefix: string
  /** What the route puts in the place of the prefix. */
  replacement: string
}

/**
 * The bases that the servers of a document name: the paths of its URLs, and the root.
 * @param document or a path or an operation of it, where they can be named anew
 */
export function serverBases(document: unknown): string[] {
  const bases = listIn(document, 'servers').flatMap((server) => basePath(server) ?? [])
  return [...new Set([...bases, ''])]
}

function basePath(server: unknown): string | undefined {
  const variables = objectIn(server, 'variables')
  const url = textIn(server, 'url')?.replaceAll(
    /\{([^{}]*)\}/g,
    (_, name: string) => textIn(variables[name], 'default') ?? '',
  )
  const base = url !== undefined && URL.canParse(url, 'http://service') ? new URL(url, 'http://service') : undefined
  return base?.pathname.replace(/\/+$/, '')
}

/**
 * The path of an operation at the gateway.
 * @param path at the service, with its base
 * @returns undefined for one that does not lie under the route
 */
export function pathHere(path: string, { prefix, replacement }: Mapping): string | undefined {
  if (!path.startsWith(replacement)) return undefined
  const rest = path.slice(replacement.length)
  if (rest !== '' && !rest.startsWith('/')) return undefined
  const here = (prefix === '/' ? '' : prefix) + rest
  return here === '' ? '/' : here
}

/** A path template as the router takes it. */
export interface Pattern {
  url: string
  /** The names of its parameters in the document; the router calls them p0, p1 and so on. */
  names: string[]
}

// Unreserved characters and what else the request guard lets stand as itself; `*` and `?` mean something to the router.
const literal = /^[A-Za-z0-9._~!$&'()+,=:@-]*$/

/**
 * Writes a path template (OpenAPI 3.1 section 4.8.8.2) for the router.
 * @returns undefined for a template that cannot be matched exactly
 */
export function patternOf(path: string): Pattern | undefined {
  const names: string[] = []
  const segments: string[] = []
  for (const segment of path.slice(1).split('/')) {
    const written = segmentOf(segment, names)
    if (written === undefined) return undefined
    segments.push(written)
  }
  return new Set(names).size === names.length ? { url: `/${segments.join('/')}`, names } : undefined
}

function segmentOf(segment: string, names: string[]): string | undefined {
  // Literal parts at even places, names at odd ones.
  const parts = segment.split(/\{([^{}]+)\}/)
  const isWhole = parts.length === 3 && parts[0] === '' && parts[2] === ''
  let written = ''
  for (const [i, part] of parts.entries()) {
    if (i % 2 === 0) {
      if (!literal.test(part)) return undefined
      // Two parameters side by side could be told apart in several ways.
      if (part === '' && i > 0 && i < parts.length - 1) return undefined
      written += part.replaceAll(':', '::')
    } else {
      written += isWhole ? `:p${names.length}` : `:p${names.length}(^[^/]+?)`
      names.push(part)
    }
  }
  return written
}
