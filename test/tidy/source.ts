// The sources of a folder as syntax trees, read by the TypeScript compiler that also type-checks them. It only reads. The
// compiler's interface is marked unstable: package.json pins its version, and nothing else uses it.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Node, SourceFile } from 'typescript/unstable/ast'
import { API } from 'typescript/unstable/sync'

export interface Source {
  /** From the top of the folder, with slashes: `plugins/errors/index.ts`. */
  path: string
  text: string
  lines: string[]
  tree: SourceFile
  /** The line of a position in the text, from 1. */
  lineAt(position: number): number
}

/** Folders and files that are nobody's work: installed, generated or history. */
const skipped = new Set(['node_modules', '.git', '.tap', 'dist', 'data', 'coverage'])

/**
 * Reads every TypeScript file of the project in a folder.
 * @param root absolute path of a folder with a tsconfig.json
 */
export function readSources(root: string): Source[] {
  const compiler = new API({ cwd: root })
  try {
    const project = compiler.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] }).getProjects()[0]
    const files = project?.rootFiles ?? []
    return files.flatMap((file) => {
      const tree = project?.program.getSourceFile(file)
      return tree ? [toSource(root, file, tree)] : []
    })
  } finally {
    compiler.close()
  }
}

function toSource(root: string, file: string, tree: SourceFile): Source {
  const text = readFileSync(file, 'utf8')
  const lineAt = (position: number) => text.slice(0, position).split('\n').length
  return { path: relative(root, file).replaceAll('\\', '/'), text, lines: text.split('\n'), tree, lineAt }
}

/**
 * Visits a node and everything below it.
 * @param visit gets each node and its ancestors, nearest last
 */
export function walk(
  node: Node,
  visit: (node: Node, ancestors: readonly Node[]) => void,
  ancestors: readonly Node[] = [],
): void {
  visit(node, ancestors)
  const below = [...ancestors, node]
  node.forEachChild((child) => walk(child, visit, below))
}

/**
 * Every text file of a folder, whatever its kind.
 * @param root absolute path
 * @returns paths from the root, with slashes
 */
export function listFiles(root: string, folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder ? `${folder}/${entry.name}` : entry.name
    if (skipped.has(entry.name)) return []
    if (entry.isDirectory()) return listFiles(root, path)
    return entry.isFile() ? [path] : []
  })
}
