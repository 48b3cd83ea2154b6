// The policies of a route's methods, every default filled in.
import { type ForwardedMethod, type FurtherMethod, forwardedMethods } from './methods.ts'
import type { PolicyConfig } from './policy-schema.ts'

/** The policy of each method that a route takes. */
export type MethodPolicies = Record<ForwardedMethod, PolicyConfig> & Partial<Record<FurtherMethod, PolicyConfig>>

/**
 * The policy of each method that a route takes.
 * @param policy of those that every route takes
 * @param named for single methods
 */
export function policiesOf(policy: PolicyConfig, named: Partial<MethodPolicies>): MethodPolicies {
  const all = Object.fromEntries(forwardedMethods.map((method) => [method, policy]))
  // HEAD asks for what GET gives, so it follows GET unless it is named.
  // Boundary: every method that each route takes has just been filled in.
  return { ...all, HEAD: named.GET ?? policy, ...named } as MethodPolicies
}

/** The policy of a method; undefined where a route does not take it. @param method as the parser read it */
export function policyOf(policies: MethodPolicies, method: string): PolicyConfig | undefined {
  // Boundary: a method that is no key is asked for as one, and is not there.
  return Object.hasOwn(policies, method) ? policies[method as ForwardedMethod] : undefined
}

/**
 * The methods that an app has to know: those of every route, and what any of the routes names. All routes are declared for all of
 * them, since what one did not take would fall to a shorter prefix and its policies.
 */
export function methodsOf(routes: readonly { methods?: Partial<MethodPolicies> | undefined }[]): string[] {
  return [...new Set<string>([...forwardedMethods, ...routes.flatMap(({ methods = {} }) => Object.keys(methods))])]
}
