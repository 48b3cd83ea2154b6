// The rules of style that a machine can check, one function a rule. A rule never repairs.
import { type Node, SyntaxKind } from 'typescript/unstable/ast'
import { type Source, walk } from './source.ts'

/** Finds every place of a file that breaks the rule. */
export type Rule = (source: Source) => number[]

const isTest = ({ path }: Source) => path.startsWith('test/')
const isTestFile = ({ path }: Source) => path.endsWith('.test.ts')

/** The rules by the sentence that is printed for an offence. */
export const rules: Record<string, Rule> = {
  'a file has at most 300 lines, a test 400': (source) => {
    const most = isTest(source) ? 400 : 300
    return source.lines.length - 1 > most ? [most + 1] : []
  },
  'a function has at most 60 lines': (source) =>
    positions(source, (node) => isFunction(node) && linesOf(source, node) > 60),
  'a file opens with a comment that says what it is': ({ text }) => (/^(#!.*\n)?(\/\/|\/\*)/.test(text) ? [] : [1]),
  'a file is named after a noun, in kebab-case': ({ path }) => (isGoodPath(path) ? [] : [1]),
  'no any': (source) => positions(source, (node) => node.kind === SyntaxKind.AnyKeyword),
  'no non-null assertion': (source) => positions(source, (node) => node.kind === SyntaxKind.NonNullExpression),
  'an `as` has a comment beside or above it': (source) =>
    positions(source, (node, ancestors) => isAssertion(node) && !isExplained(source, node, ancestors)),
  'an exported function has a JSDoc comment': (source) =>
    isTest(source) ? [] : positions(source, isUndocumentedExport),
  'plugins never import src': (source) => (source.path.startsWith('plugins/') ? imports(source, /(^|\/)src\//) : []),
  'in a room only a plugin imports Fastify': (source) =>
    /^plugins\/.+\//.test(source.path) && !/^export default fp\b/m.test(source.text)
      ? imports(source, /^(fastify|fastify-plugin|@fastify\/.+)$/, isRuntimeImport)
      : [],
  'an address is read by clients/address.ts and nowhere else': (source) =>
    isTest(source) || source.path.startsWith('bench/') || readersOfAddresses.has(source.path)
      ? []
      : positions(source, readsAddress),
  'a plugin is exported by fp with its name and Fastify version': findUnnamedPlugins,
  'a test does not sleep': (source) =>
    isTestFile(source) ? [...imports(source, /^node:timers/), ...positions(source, isTimerCall)] : [],
  'a test is not skipped, left to do, or the only one': (source) =>
    isTestFile(source) ? positions(source, isSkip) : [],
  'a name uses the words of docs/architecture.md': (source) => positions(source, isBadName),
}

/**
 * Applies every rule to a file.
 * @returns `path:line: rule`, in the order of the rules
 */
export function findOffences(source: Source): string[] {
  return Object.entries(rules).flatMap(([sentence, rule]) =>
    rule(source).map((line) => `${source.path}:${line}: ${sentence}`),
  )
}

/** Lines where a node begins that fulfils a condition. */
function positions(source: Source, condition: (node: Node, ancestors: readonly Node[]) => boolean): number[] {
  const lines: number[] = []
  walk(source.tree, (node, ancestors) => {
    if (condition(node, ancestors)) lines.push(source.lineAt(node.getStart(source.tree)))
  })
  return lines
}

const functionKinds = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
])

function isFunction(node: Node): boolean {
  return functionKinds.has(node.kind)
}

// In a test, what a function holds is often nothing but further tests: each of those is counted by itself.
function linesOf(source: Source, node: Node): number {
  const lines = source.lineAt(node.end) - source.lineAt(node.getStart(source.tree)) + 1
  return isTest(source) ? lines - innerLinesOf(source, node) : lines
}

function innerLinesOf(source: Source, node: Node): number {
  let lines = 0
  node.forEachChild((child) => {
    const own = source.lineAt(child.end) - source.lineAt(child.getStart(source.tree))
    lines += isFunction(child) ? own : innerLinesOf(source, child)
  })
  return lines
}

function isGoodPath(path: string): boolean {
  const steps = path.split('/')
  const names = steps.map((step) => step.replace(/(\.test)?\.[jt]s$/, ''))
  return names.every(
    (name) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && !/^(utils?|helpers?|common|types?|lib|shared|misc)$/.test(name),
  )
}

function isAssertion(node: Node): boolean {
  return node.kind === SyntaxKind.AsExpression && !/\bas\s+const$/.test(node.getText())
}

// The comment may stand at the assertion, above it, or above the statement or member that it is a part of.
function isExplained(source: Source, node: Node, ancestors: readonly Node[]): boolean {
  const whole = ancestors.findLast(({ kind }) => statementKinds.has(kind)) ?? node
  const start = source.lineAt(whole.getStart(source.tree))
  const own = source.lineAt(node.getStart(source.tree))
  const end = source.lineAt(node.end)
  const beside = source.lines.slice(own - 1, end).some((line) => /\/\/ |\*\//.test(line))
  return beside || [start, own, end].some((line) => /^\s*(\/\/|\*\/|\/\*)|\*\/\s*$/.test(source.lines[line - 2] ?? ''))
}

const statementKinds = new Set([
  SyntaxKind.FirstStatement,
  SyntaxKind.ExpressionStatement,
  SyntaxKind.ReturnStatement,
  SyntaxKind.IfStatement,
  SyntaxKind.ThrowStatement,
  SyntaxKind.PropertyAssignment,
  SyntaxKind.PropertyDeclaration,
  SyntaxKind.ForOfStatement,
  SyntaxKind.VariableStatement,
])

function isUndocumentedExport(node: Node): boolean {
  if (node.kind !== SyntaxKind.FunctionDeclaration) return false
  return /^export\b/.test(node.getText()) && !node.jsDoc?.length
}

function imports(source: Source, target: RegExp, condition: (statement: string) => boolean = () => true): number[] {
  return positions(source, (node) => {
    if (node.kind !== SyntaxKind.ImportDeclaration && node.kind !== SyntaxKind.ExportDeclaration) return false
    const [, module] = /from\s+['"](.+)['"]$|^import\s+['"](.+)['"]$/.exec(node.getText()) ?? []
    return module !== undefined && target.test(module) && condition(node.getText())
  })
}

// `import type { A }` and `import { type A, type B }` leave nothing behind at run time.
function isRuntimeImport(statement: string): boolean {
  if (/^(import|export)\s+type\b/.test(statement)) return false
  const [, names] = /\{([^}]*)\}/.exec(statement) ?? []
  const isNamedOnly = /^(import|export)\s*\{/.test(statement)
  return !(isNamedOnly && names?.split(',').every((name) => name.trim() === '' || /^type\s/.test(name.trim())))
}

// Beside the one who tells clients by it, one who finds a connection again in the kernel's table, where it has no other name.
const readersOfAddresses: ReadonlySet<string> = new Set(['plugins/clients/address.ts', 'plugins/clients/vanished.ts'])

// `request.ip`, `request.ips`, `socket.remoteAddress`, also where they are taken apart. A session has an `ip` of its own.
function readsAddress(node: Node): boolean {
  if (node.kind === SyntaxKind.PropertyAccessExpression) {
    return /\bremote(Address|Family|Port)$|(^|[.\s(])(request|req|raw|this)\??\.ips?$/.test(node.getText())
  }
  if (node.kind !== SyntaxKind.BindingElement) return false
  if (/^remote(Address|Family|Port)\b/.test(node.getText())) return true
  const whole = node.parent.parent.getText()
  return /^ips?\b/.test(node.getText()) && /\brequest$|:\s*FastifyRequest\b|\breq$/.test(whole)
}

function findUnnamedPlugins(source: Source): number[] {
  if (!source.path.startsWith('plugins/')) return []
  return positions(source, (node) => {
    if (node.kind !== SyntaxKind.ExportAssignment) return false
    const text = node.getText()
    return (
      !/^export default fp(<[^(]*>)?\(/.test(text) || !/\bname: '[a-z-]+'/.test(text) || !/\bfastify: '5\.x'/.test(text)
    )
  })
}

function isTimerCall(node: Node): boolean {
  return node.kind === SyntaxKind.CallExpression && /^(globalThis\.)?set(Timeout|Interval)\(/.test(node.getText())
}

function isSkip(node: Node): boolean {
  if (node.kind === SyntaxKind.PropertyAssignment) return /^['"]?(skip|todo|only)['"]?:/.test(node.getText())
  return node.kind === SyntaxKind.CallExpression && /^\w+\.(skip|todo|only)\(/.test(node.getText())
}

const badWords = /(^|[a-z])(blacklist|whitelist|tokenfamily|family|mgr|cfg|backend)([A-Z]|$)/i
const declarationKinds = new Set([
  SyntaxKind.VariableDeclaration,
  SyntaxKind.Parameter,
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.ClassDeclaration,
  SyntaxKind.InterfaceDeclaration,
  SyntaxKind.TypeAliasDeclaration,
  SyntaxKind.PropertyDeclaration,
])

function isBadName(node: Node): boolean {
  if (!declarationKinds.has(node.kind)) return false
  let name = ''
  node.forEachChild((child) => {
    if (name === '' && child.kind === SyntaxKind.Identifier) name = child.getText()
  })
  return badWords.test(name)
}
