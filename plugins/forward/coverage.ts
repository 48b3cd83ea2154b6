// Which policies a request would meet if it were forwarded: for proxies that ask instead of forwarding (`/auth/verify`). Filled
// by index.ts as routes are declared. It may ask for more than the router would, where templates overlap, and never for less.
import type { Policy } from '../authenticate.ts'
import type { DescribedOperation } from './openapi/compile.ts'
import { PathTemplate } from './openapi/template.ts'
import { type CompiledRoute, coveringRoute } from './route.ts'
import type { ForwardedMethod } from './route-schema.ts'

export interface Covered {
  route: CompiledRoute
  /** Each must be satisfied; undefined for what the router would not take, or the service's document does not know. */
  policies: readonly Policy[] | undefined
}

interface Form {
  method: string
  template: PathTemplate
  policies: readonly Policy[]
}

export class Coverage {
  readonly #forms = new Map<CompiledRoute, Form[]>()

  addRoute(route: CompiledRoute): void {
    this.#forms.set(route, [])
  }

  addOperation(route: CompiledRoute, { operation }: DescribedOperation): void {
    const { method, path, policies } = operation.parts
    this.#forms.get(route)?.push({ method, template: new PathTemplate(path), policies })
  }

  /**
   * What covers a request.
   * @param target origin-form, canonical
   * @returns undefined for what is the gateway's own or nobody's
   */
  of(target: string, method: ForwardedMethod): Covered | undefined {
    const route = coveringRoute([...this.#forms.keys()], target)
    if (route === undefined) return undefined
    const path = decoded(target.split('?', 1)[0] ?? '')
    if (path === undefined) return { route, policies: undefined }
    if (route.openapi === undefined) return { route, policies: [route.policies[method]] }
    const forms = (this.#forms.get(route) ?? []).filter((one) => one.method === method && one.template.matches(path))
    return { route, policies: forms.length === 0 ? undefined : forms.flatMap(({ policies }) => policies) }
  }
}

// As the router decodes a path before it looks for what is spelled out: `%21` is `!`.
function decoded(path: string): string | undefined {
  try {
    return decodeURI(path)
  } catch {
    return undefined
  }
}
