// The look-up of the policies that a request meets, for proxies that ask instead of forwarding (`/auth/verify`), and whether
// every reader of its path would find the same ones. It may ask for more than the router would, where templates overlap, and
// never for less.
import type { Policy } from '../authenticate.ts'
import { foldedCase, isPlain, looseReading } from './loose-reading.ts'
import type { DocumentedOperation } from './openapi/compile.ts'
import { PathTemplate } from './openapi/template.ts'
import { type CompiledRoute, coveringRoute, coversTarget, isReserved, reservedPrefixes } from './route/compile.ts'
import { policyOf } from './route/policies.ts'

export interface Covered {
  route: CompiledRoute
  /** Each must be satisfied; undefined for what the router would not take, or the service's document does not know. */
  policies: readonly Policy[] | undefined
}

interface Form {
  method: string
  template: PathTemplate
  /** As it is read where capital letters are small ones. */
  loose: PathTemplate
  isSmall: boolean
  policies: readonly Policy[]
}

/** A route among the others, as it is read where capital letters are small ones. */
interface Place {
  prefix: string
  /** Prefixes below it: other routes, and what is the gateway's own. */
  deeper: readonly string[]
  /** Whether neither these nor the paths of its operations have capital letters, as they are written. */
  isSmall: boolean
}

export class PolicyLookup {
  readonly #forms = new Map<CompiledRoute, Form[]>()
  readonly #places = new Map<CompiledRoute, Place>()

  addRoute(route: CompiledRoute): void {
    this.#forms.set(route, [])
    this.#places.clear()
  }

  addOperation(route: CompiledRoute, { operation }: DocumentedOperation): void {
    const { method, path, policies } = operation.parts
    const folded = foldedTemplate(path)
    const [template, loose] = [new PathTemplate(path), new PathTemplate(folded)]
    this.#forms.get(route)?.push({ method, template, loose, isSmall: folded === path, policies })
    this.#places.clear()
  }

  /**
   * What covers a request.
   * @param target origin-form, canonical
   * @returns undefined for what is the gateway's own or nobody's
   */
  of(target: string, method: string): Covered | undefined {
    const route = coveringRoute([...this.#forms.keys()], target)
    if (route === undefined) return undefined
    const path = decoded(pathOf(target))
    if (path === undefined || this.isAmbiguous(route, target, method)) return { route, policies: undefined }
    if (route.openapi === undefined) {
      const policy = policyOf(route.policies, method)
      return { route, policies: policy && [policy] }
    }
    const forms = (this.#forms.get(route) ?? []).filter((one) => one.method === method && one.template.matches(path))
    return { route, policies: forms.length === 0 ? undefined : forms.flatMap(({ policies }) => policies) }
  }

  /**
   * Whether a service that reads paths more loosely than the router (capital letters, blanks and dots at the ends of segments,
   * escapes decoded twice) could take a target for one of another route, of the gateway's own or of another operation, so that
   * another policy would have been asked.
   * @param route the one that covers the target
   * @param target origin-form, canonical
   */
  isAmbiguous(route: CompiledRoute, target: string, method: string): boolean {
    const { prefix, deeper, isSmall } = this.#placeOf(route)
    // Without anything below it, a prefix can only be left by what is decoded twice, or once more than the router does.
    const isAlone = deeper.length === 0 && route.openapi === undefined
    if (isAlone ? !decodesTwice.test(target) : isSmall && isPlain(target)) return false
    const path = pathOf(target)
    const loose = looseReading(path)
    if (loose === undefined || !coversTarget(prefix, loose)) return true
    return deeper.some((one) => coversTarget(one, loose)) || this.#meansAnother(route, method, path, loose)
  }

  /** Whether a target that no route covers is a route's to a service that reads paths more loosely than the router. */
  isNearlyCovered(target: string): boolean {
    if (isReserved(target)) return false
    const loose = looseReading(pathOf(target))
    return loose === undefined || [...this.#forms.keys()].some((route) => coversTarget(foldedCase(route.prefix), loose))
  }

  #meansAnother(route: CompiledRoute, method: string, path: string, loose: string): boolean {
    if (route.openapi === undefined) return false
    const exact = decoded(path) ?? path
    return (this.#forms.get(route) ?? []).some(
      (form) => form.method === method && form.loose.matches(loose) && !form.template.matches(exact),
    )
  }

  #placeOf(route: CompiledRoute): Place {
    const known = this.#places.get(route)
    if (known !== undefined) return known
    const prefix = foldedCase(route.prefix)
    const others = [...[...this.#forms.keys()].map((one) => one.prefix), ...reservedPrefixes].filter((one) => {
      const folded = foldedCase(one)
      return folded !== prefix && coversTarget(prefix, folded)
    })
    const deeper = others.map(foldedCase)
    const forms = this.#forms.get(route) ?? []
    const isSmall = others.every((one, at) => one === deeper[at]) && forms.every((form) => form.isSmall)
    const place = { prefix, deeper, isSmall }
    this.#places.set(route, place)
    return place
  }
}

// `%` itself, and the slash that a route lets through.
const decodesTwice = /%2[5fF]/

function pathOf(target: string): string {
  return target.split('?', 1)[0] ?? ''
}

// The names of parameters are nobody's path.
function foldedTemplate(path: string): string {
  return path
    .split(/(\{[^{}]+\})/)
    .map((part, at) => (at % 2 === 0 ? foldedCase(part) : part))
    .join('')
}

// As the router decodes a path before it looks for what is spelled out: `%21` is `!`.
function decoded(path: string): string | undefined {
  try {
    return decodeURI(path)
  } catch {
    return undefined
  }
}
