// The policy of an operation: the config's policy, and what the document adds to it or, where the config says so, puts in its
// place. A document never opens by itself what the config closes.
import type { Policy } from '../../authenticate.ts'
import { isObject, listIn, memberOf, objectIn, textIn } from './document/json.ts'
import { DocumentError } from './document/source.ts'

/** Whose policies count; said in the config. */
export type PolicySource = 'config' | 'both' | 'document'

/** The extension in which a document speaks to this gateway. */
export const policyExtension = 'x-cardea-policy'

/**
 * The policies of an operation; a request must satisfy each.
 * @param source `config`: the document's own extension is added; `both`: and its `security`; `document`: what the document says
 * stands in the place of the config's, if it says anything
 * @param nodes the operation, its path and the document: the first that speaks is heard
 * @throws DocumentError for an extension that is no policy
 */
export function policiesOf(configured: Policy, source: PolicySource, nodes: readonly unknown[]): Policy[] {
  const extended = nodes.map((node) => memberOf(node, policyExtension)).find((value) => value !== undefined)
  const own = extended === undefined ? undefined : policyFrom(extended)
  const secured = source === 'config' ? undefined : securityOf(nodes)
  const said = own ?? secured
  if (source === 'document') return [said ?? configured]
  return [configured, own, secured].filter((policy) => policy !== undefined && policy !== 'public')
}

function policyFrom(value: unknown): Policy {
  if (value === 'public' || value === 'authenticated') return value
  const names = Object.keys(isObject(value) ? value : {})
  const [roles, scopes] = [namesIn(value, 'roles'), namesIn(value, 'scopes')]
  const isPolicy = names.length > 0 && names.every((name) => name === 'roles' || name === 'scopes')
  if (!isPolicy || roles?.length === 0 || scopes?.length === 0) {
    throw new DocumentError(`${policyExtension} is ${JSON.stringify(value)}, which is no policy`)
  }
  return { ...(roles && { roles }), ...(scopes && { scopes }) }
}

function namesIn(value: unknown, member: string): string[] | undefined {
  if (memberOf(value, member) === undefined) return undefined
  const names = listIn(value, member)
  return names.every((name) => typeof name === 'string') ? names : []
}

// OpenAPI 3.1 section 4.8.30: any one of the requirements is enough, and an empty one asks for nothing.
function securityOf(nodes: readonly unknown[]): Policy | undefined {
  const stated = nodes.map((node) => memberOf(node, 'security')).find(Array.isArray)
  if (stated === undefined) return undefined
  const requirements = stated.filter(isObject)
  if (requirements.length === 0 || requirements.some((one) => Object.keys(one).length === 0)) return 'public'
  const [only, ...others] = requirements
  // Several ways in: what they have in common is that somebody is signed in.
  if (only === undefined || others.length > 0) return 'authenticated'
  const document = nodes.at(-1)
  const scopes = Object.keys(only).flatMap((scheme) =>
    isScoped(document, scheme) ? (namesIn(only, scheme) ?? []) : [],
  )
  return scopes.length === 0 ? 'authenticated' : { scopes }
}

function isScoped(document: unknown, scheme: string): boolean {
  const type = textIn(memberOf(objectIn(objectIn(document, 'components'), 'securitySchemes'), scheme), 'type')
  return type === 'oauth2' || type === 'openIdConnect'
}
