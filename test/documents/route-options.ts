// The table of route options as the schema of a route says it: one row a member, with type, default and meaning. The test of
// docs/reference.md compares the page with it. It reads the schema only.
import { durationPattern, ratePattern } from '../../plugins/clocks/durations.ts'
import { writtenRouteSchema } from '../../plugins/forward/route/schema.ts'

/** What is used here of a JSON Schema node. */
interface Node {
  type?: string
  const?: unknown
  enum?: readonly unknown[]
  anyOf?: readonly Node[]
  items?: Node
  properties?: Readonly<Record<string, Node>>
  required?: readonly string[]
  minimum?: number
  exclusiveMinimum?: number
  maximum?: number
  pattern?: string
  default?: unknown
  description?: string
}

// As editors get it: plain JSON.
const schema: Node = JSON.parse(JSON.stringify(writtenRouteSchema))

/** Every option of a route, objects before their members: `| name | type | default | meaning |`, ready to be pasted. */
export function routeOptionRows(): string[] {
  return rowsOf(schema, '')
}

/** Every option with a default, by its dotted name. */
export function routeOptionDefaults(): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const visit = (node: Node, name: string) => {
    if (node.default !== undefined) found.set(name, node.default)
    for (const [key, member] of membersOf(node)) visit(member, name ? `${name}.${key}` : key)
  }
  visit(schema, '')
  return found
}

function rowsOf(node: Node, prefix: string): string[] {
  const required = partsOf(node).flatMap(({ required = [] }) => required)
  return membersOf(node).flatMap(([key, member]) => {
    const name = prefix + key
    const shown = required.includes(key) ? `**\`${name}\`**` : `\`${name}\``
    const standard = member.default === undefined ? '' : `\`${member.default}\``
    return [
      `| ${shown} | ${typeOf(member)} | ${standard} | ${member.description ?? ''} |`,
      ...rowsOf(member, `${name}.`),
    ]
  })
}

// Members that are all alike (a policy for each method) are one row.
function membersOf(node: Node): [string, Node][] {
  const members = partsOf(node).flatMap(({ properties = {} }) => Object.entries(properties))
  const [first, ...others] = members
  const isAlike = first !== undefined && others.length > 2 && others.every(([, member]) => isSame(member, first[1]))
  return isAlike ? [['<METHOD>', { ...first[1], anyOf: [{ type: 'policy' }] }]] : members
}

function partsOf(node: Node): readonly Node[] {
  return [node, ...(node.anyOf ?? [])]
}

function isSame(one: Node, other: Node): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function typeOf(node: Node): string {
  if (node.anyOf) return node.anyOf.map(typeOf).join(' or ')
  if (node.const !== undefined) return `\`${node.const}\``
  if (node.enum && node.enum.length > 9) return 'options'
  if (node.enum) return node.enum.map((word) => `\`${word}\``).join(' or ')
  if (node.type === 'array') return `list of ${node.items ? typeOf(node.items) : 'anything'}`
  if (node.type === 'integer') return `whole number, ${node.minimum} to ${node.maximum}`
  if (node.type === 'number') return `number above ${node.exclusiveMinimum}, up to ${node.maximum}`
  if (node.type === 'boolean') return '`true` or `false`'
  if (node.pattern === durationPattern) return 'duration'
  if (node.pattern === ratePattern) return 'rate'
  if (node.type === 'string') return 'text'
  return node.type ?? 'anything'
}
