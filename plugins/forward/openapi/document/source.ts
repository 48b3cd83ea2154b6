// The source of an OpenAPI document: a file or a URL, with the files its references name, read within limits. It reads no
// file outside the document's folder and asks no origin but the document's own.
import { realpath } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parse as parseYaml } from 'yaml'
import { readBoundedFile, UnusableFile } from '../../../files/bounded-file.ts'
import type { TlsConfig } from '../../route/compile.ts'
import { download } from './download.ts'
import { DocumentError, type SourceDocument } from './parsed.ts'
import { ReferenceWalk } from './reference-walk.ts'

export { DocumentError, type SourceDocument }

export interface DocumentLimits {
  /** Of all files of a document together. */
  totalBytes: number
  files: number
  /** Values in all files together. */
  nodes: number
  depth: number
  /** For everything that is fetched. */
  timeoutMs: number
}

/** Room for the largest documents there are (GitHub's is 13 MB and 700,000 values), and an end to everything else; a route can
 * allow more files. */
export const documentLimits: DocumentLimits = {
  totalBytes: 32 * 1024 * 1024,
  files: 200,
  nodes: 4_000_000,
  depth: 200,
  timeoutMs: 10_000,
}

/** Whether a place is a URL; else it is a path. */
export function isDocumentUrl(location: string): boolean {
  return /^https?:\/\//i.test(location) && URL.canParse(location)
}

/**
 * Reads a document and every file its references name.
 * @param location an absolute path or an http(s) URL
 * @param tls how its origin is verified, where not by the public authorities
 * @throws DocumentError: absent, too large, too late, not readable, or a reference that leads out of its folder or origin
 */
export async function readDocument(
  location: string,
  limits: DocumentLimits = documentLimits,
  tls: TlsConfig | undefined = undefined,
): Promise<SourceDocument> {
  const reading = isDocumentUrl(location) ? urlReader(location, limits, tls) : await fileReader(location)
  const files = new Map<string, unknown>()
  const budget = { bytes: limits.totalBytes, nodes: limits.nodes }
  const references = new ReferenceWalk(reading.root)
  const waiting = [reading.root]
  for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
    if (files.has(url)) continue
    if (files.size === limits.files) throw new DocumentError(`${location} has more than ${limits.files} files.`)
    const bytes = await reading.read(url, budget.bytes)
    budget.bytes -= bytes.length
    const value = parseFile(bytes, url)
    assertBounded(value, url, budget, limits)
    files.set(url, value)
    waiting.push(...references.filesOf(files))
  }
  return { root: reading.root, files }
}

interface Reader {
  root: string
  read(url: string, maxBytes: number): Promise<Buffer>
}

// The folder is compared after all links are followed: a link must not lead where a path may not.
async function fileReader(path: string): Promise<Reader> {
  const folder = await realpath(dirname(path)).catch((error) => unreadable(path, error))
  const read = async (url: string, maxBytes: number) => {
    if (!url.startsWith('file:')) throw new DocumentError(`${url} is not fetched for a document that is a file.`)
    try {
      const file = fileURLToPath(url)
      const real = await realpath(file)
      if (file !== path && !real.startsWith(folder + sep)) {
        throw new DocumentError(`${file} lies outside the folder of the document.`)
      }
      return readBoundedFile(real, maxBytes)
    } catch (error) {
      if (error instanceof UnusableFile) throw new DocumentError(`${fileURLToPath(url)} ${error.message}.`)
      return unreadable(url, error)
    }
  }
  return { root: pathToFileURL(path).href, read }
}

function unreadable(place: string, error: unknown): never {
  if (error instanceof DocumentError) throw error
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  throw new DocumentError(`${place} cannot be read (${code}).`)
}

function urlReader(location: string, limits: DocumentLimits, tls: TlsConfig | undefined): Reader {
  const { origin, href } = new URL(location)
  const signal = AbortSignal.timeout(limits.timeoutMs)
  const read = async (url: string, maxBytes: number) => {
    if (new URL(url).origin !== origin) throw new DocumentError(`${url} is not fetched: it is not of ${origin}.`)
    try {
      return await download(url, { maxBytes, signal, tls })
    } catch (error) {
      throw new DocumentError(`${url} cannot be fetched (${causeOf(error)}).`)
    }
  }
  return { root: href, read }
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // What the abort was for; and a name with several addresses fails with an error for each and no message of its own.
  if (error.cause instanceof Error) return error.cause.message
  return error.message === '' && 'code' in error ? String(error.code) : error.message
}

// JSON is YAML, but its own parser is a hundred times faster.
function parseFile(bytes: Buffer, url: string): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return /^\s*[{[]/.test(text) ? parseJson(text) : parseYaml(text, yamlOptions)
  } catch (error) {
    throw new DocumentError(`${url} is neither JSON nor YAML (${causeOf(error).split('\n', 1)[0]}).`)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Flow style is YAML too.
    if (text.length > maxFlowStyle) throw error
    return parseYaml(text, yamlOptions)
  }
}

const maxFlowStyle = 100_000
const yamlOptions = { version: '1.2', uniqueKeys: true, maxAliasCount: 100, logLevel: 'error' } as const

/** Looks at every value once, within the budget. */
function assertBounded(value: unknown, base: string, budget: { nodes: number }, limits: DocumentLimits): void {
  const waiting: [unknown, number][] = [[value, 0]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [node, depth] = next
    budget.nodes -= 1
    if (budget.nodes < 0) throw new DocumentError(`${base} holds more than ${limits.nodes} values.`)
    if (typeof node !== 'object' || node === null) continue
    if (depth === limits.depth) throw new DocumentError(`${base} is nested deeper than ${limits.depth}.`)
    if (Object.hasOwn(node, '__proto__')) throw new DocumentError(`${base} has a member __proto__.`)
    for (const child of Object.values(node)) waiting.push([child, depth + 1])
  }
}
