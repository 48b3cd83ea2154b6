// The refusal of a request that no operation of a document takes: nothing there, or not by that method. Asked for refused
// requests only.
import { type Problem, problem } from '../../errors/index.ts'
import type { DocumentedOperation } from './compile.ts'
import { PathTemplate } from './template.ts'

/** Tells why a request to a prefix with a document is refused. */
export class Undeclared {
  /** Methods by path template. */
  readonly #methods = new Map<string, { template: PathTemplate; methods: Set<string> }>()

  constructor(operations: readonly DocumentedOperation[]) {
    for (const { operation } of operations) {
      const { path, method } = operation.parts
      const known = this.#methods.get(path)
      if (known === undefined) this.#methods.set(path, { template: new PathTemplate(path), methods: new Set([method]) })
      else known.methods.add(method)
    }
  }

  /**
   * The refusal of a request.
   * @param target origin-form
   */
  problemOf(target: string): Problem {
    const path = target.split('?', 1)[0] ?? ''
    const allowed = new Set<string>()
    for (const { template, methods } of this.#methods.values()) {
      if (template.matches(path)) for (const method of methods) allowed.add(method)
    }
    if (allowed.size === 0) return problem('not_found', { detail: 'undeclared_path' })
    const headers = { allow: [...allowed].sort().join(', ') }
    return problem('method_not_allowed', { detail: 'undeclared_method', headers })
  }
}
