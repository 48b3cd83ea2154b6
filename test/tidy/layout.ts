// The rules of style about folders and about the whole, one function a rule: what can only be seen with all sources at hand.
// A rule never repairs.
import { dirname, posix } from 'node:path'
import type { Source } from './source.ts'

const maxFiles = 15

/** Finds every offence of a project. @returns `path: sentence` */
export type LayoutRule = (paths: readonly string[], sources: readonly Source[]) => string[]

/** The rules by the sentence that is printed for an offence. */
export const layoutRules: Record<string, LayoutRule> = {
  'a folder has at most 15 files': (paths) =>
    [...filesByFolder(paths)].filter(([, names]) => names.length > maxFiles).map(([folder]) => folder),
  'three siblings with one prefix are a folder': (paths) => [...filesByFolder(paths)].flatMap(crowdedPrefixes),
  'no cycle of imports, of types neither': (_paths, sources) =>
    cyclesOf(importsOf(sources)).map(([first = '']) => first),
  'an exported type has a name of its own': (_paths, sources) => typesNamedTwice(sources),
}

/**
 * Applies every rule to a project.
 * @param paths of all its files, from the top, with slashes
 */
export function findLayoutOffences(paths: readonly string[], sources: readonly Source[]): string[] {
  return Object.entries(layoutRules).flatMap(([sentence, rule]) =>
    rule(paths, sources).map((place) => `${place}: ${sentence}`),
  )
}

// The top holds what other programs look for there.
function filesByFolder(paths: readonly string[]): Map<string, string[]> {
  const inFolders = paths.filter((path) => path.includes('/') && !path.startsWith('.'))
  return Map.groupBy(inFolders, (path) => dirname(path))
}

function crowdedPrefixes([folder, paths]: [string, string[]]): string[] {
  const names = paths.filter((path) => /\.(ts|js)$/.test(path)).map((path) => posix.basename(path).replace(/\..*$/, ''))
  const groups = Map.groupBy(names, (name) => name.split('-', 1)[0] ?? '')
  return [...groups].filter(([, siblings]) => siblings.length >= 3).map(([prefix]) => `${folder}/${prefix}-`)
}

function importsOf(sources: readonly Source[]): Map<string, string[]> {
  const known = new Set(sources.map(({ path }) => path))
  const relative = /^(?:import|export)\b[^']*?'(\.[^']+)'/gms
  return new Map(
    sources.map(({ path, text }) => [
      path,
      [...text.matchAll(relative)]
        .map(([, target = '']) => posix.join(dirname(path), target))
        .filter((target) => known.has(target)),
    ]),
  )
}

/** Groups of files that can reach each other by imports. */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const reachable = new Map([...graph.keys()].map((from) => [from, reachFrom(graph, from)]))
  const inCycle = [...graph.keys()].filter((path) => reachable.get(path)?.has(path))
  const groups = Map.groupBy(inCycle, (path) => inCycle.find((other) => reachEachOther(reachable, path, other)))
  return [...groups.values()]
}

function reachEachOther(reachable: ReadonlyMap<string, ReadonlySet<string>>, one: string, other: string): boolean {
  return reachable.get(one)?.has(other) === true && reachable.get(other)?.has(one) === true
}

function reachFrom(graph: ReadonlyMap<string, readonly string[]>, from: string): Set<string> {
  const seen = new Set<string>()
  const left = [...(graph.get(from) ?? [])]
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    left.push(...(graph.get(path) ?? []))
  }
  return seen
}

function typesNamedTwice(sources: readonly Source[]): string[] {
  const declared = sources.flatMap(({ path, text }) => exportedTypes(text).map((name) => ({ path, name })))
  return [...Map.groupBy(declared, ({ name }) => name).values()].flatMap(([, ...others]) =>
    others.map(({ path, name }) => `${path} ${name}`),
  )
}

function exportedTypes(text: string): string[] {
  return [...text.matchAll(/^export (?:abstract )?(?:interface|type|class) (\w+)/gm)].map(([, name = '']) => name)
}
