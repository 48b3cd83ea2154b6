// Mutants of a source: copies with one small fault each, such as a comparison that takes the other side. A test suite that holds
// a module to its rules fails for every one of them; the share that it does fail for is the module's mutation score.
import { type Node, SyntaxKind } from 'typescript/unstable/ast'
import { type Source, walk } from '../tidy/source.ts'

/** One fault: the text from `start` to `end` (UTF-16 code units) is replaced. */
export interface Mutant {
  start: number
  end: number
  replacement: string
  line: number
  /** `a === b -> a !== b`, for people. */
  what: string
}

const swapped: ReadonlyMap<string, string> = new Map([
  ['===', '!=='],
  ['!==', '==='],
  ['<', '<='],
  ['<=', '<'],
  ['>', '>='],
  ['>=', '>'],
  ['&&', '||'],
  ['||', '&&'],
  ['+', '-'],
  ['-', '+'],
])

/** Every mutant of a source, in the order of its text. */
export function mutantsOf(source: Source): Mutant[] {
  const mutants: Mutant[] = []
  const add = (start: number, end: number, replacement: string) => {
    const what = `${source.text.slice(start, end)} -> ${replacement}`.replaceAll(/\s+/g, ' ')
    mutants.push({ start, end, replacement, line: source.lineAt(start), what })
  }
  walk(source.tree, (node) => {
    const [start, end] = [node.getStart(source.tree), node.end]
    if (node.kind === SyntaxKind.BinaryExpression) swapOperator(source, node, add)
    else if (node.kind === SyntaxKind.TrueKeyword && isValue(node)) add(start, end, 'false')
    else if (node.kind === SyntaxKind.FalseKeyword && isValue(node)) add(start, end, 'true')
    else if (node.kind === SyntaxKind.PrefixUnaryExpression && source.text[start] === '!') add(start, start + 1, '')
    else if (node.kind === SyntaxKind.IfStatement) forceCondition(source, node, add)
  })
  return mutants.toSorted((one, other) => one.start - other.start)
}

type Add = (start: number, end: number, replacement: string) => void

// `true` and `false` are types as well, where they change nothing at run time.
function isValue(node: Node): boolean {
  return node.parent.kind !== SyntaxKind.LiteralType
}

function swapOperator(source: Source, node: Node, add: Add): void {
  const parts: Node[] = []
  node.forEachChild((child) => {
    parts.push(child)
  })
  const operator = parts[1]
  if (!operator) return
  const replacement = swapped.get(operator.getText())
  if (replacement !== undefined) add(operator.getStart(source.tree), operator.end, replacement)
}

function forceCondition(source: Source, node: Node, add: Add): void {
  let condition: Node | undefined
  node.forEachChild((child) => {
    condition ??= child
  })
  if (condition) add(condition.getStart(source.tree), condition.end, 'false')
}
