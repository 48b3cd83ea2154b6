// One operation of a document as the gateway serves it: its route, its policies, and what it says about a request before
// anything is forwarded.
import type { Policy } from '../../authenticate.ts'
import { type ProblemPlace, problem } from '../../errors/index.ts'
import type { BodyFields, BodyRule, BodyTask } from './request/body.ts'
import type { Parameter, RequestParts } from './request/parameter.ts'
import { queryOf } from './request/query.ts'

/** The request as it came. */
export interface ReceivedRequest {
  /** Origin-form. */
  target: string
  /** Names and values in turn. */
  rawHeaders: readonly string[]
  /** What the router found: p0, p1 and so on, decoded. */
  params: Readonly<Record<string, string>>
  hasBody: boolean
}

export interface OperationParts {
  method: string
  /** Path template at the gateway, as the document would write it. */
  path: string
  /** The same for the router. */
  url: string
  pathNames: readonly string[]
  /** A request must satisfy each. */
  policies: readonly Policy[]
  parameters: readonly Parameter[]
  body: BodyRule
  /** Names of the query that are no parameters and may be there; `any`: all. */
  otherQueryNames: ReadonlySet<string> | 'any'
  bodyLimitBytes: number
}

export class Operation {
  readonly parts: OperationParts

  constructor(parts: OperationParts) {
    this.parts = parts
  }

  /**
   * Checks everything but the body.
   * @throws Problem `invalid_request` naming every parameter that is wrong
   */
  check(request: ReceivedRequest): void {
    const query = queryOf(request.target)
    if (query === undefined) throw refused([{ in: 'query', path: '/', message: 'cannot be decoded' }])
    const parts: RequestParts = {
      path: this.#pathOf(request.params),
      query,
      ...fieldsOf(request.rawHeaders),
      isNamed: this.#isNamed,
    }
    const faults: ProblemPlace[] = []
    for (const parameter of this.parts.parameters) {
      const fault = parameter.faultIn(parts)
      if (fault === undefined) continue
      faults.push({ in: parameter.in, path: `/${escaped(parameter.name)}${fault.path}`, message: fault.message })
    }
    for (const name of query.keys()) {
      if (!this.#knows(name)) faults.push({ in: 'query', path: `/${escaped(name)}`, message: 'is not known here' })
    }
    if (faults.length > 0) throw refused(faults.slice(0, maxViolations))
  }

  /**
   * What is to be done with the body before the request is forwarded.
   * @throws Problem `invalid_request`, `unsupported_media_type`
   */
  bodyTask({ rawHeaders, hasBody }: ReceivedRequest): BodyTask {
    const fields: BodyFields = { contentType: [], contentEncoding: [], hasBody }
    return this.parts.body.taskFor({
      ...fields,
      contentType: valuesOf(rawHeaders, 'content-type'),
      contentEncoding: valuesOf(rawHeaders, 'content-encoding'),
    })
  }

  #pathOf(params: Readonly<Record<string, string>>): RequestParts['path'] {
    const path = new Map<string, string>()
    for (const [i, name] of this.parts.pathNames.entries()) {
      const value = params[`p${i}`]
      // Of an empty segment the template says nothing: this is another path.
      if (value === undefined || value === '') throw problem('not_found', { detail: 'path_parameter_empty' })
      path.set(name, value)
    }
    return path
  }

  #knows(name: string): boolean {
    const { parameters, otherQueryNames } = this.parts
    return otherQueryNames === 'any' || this.#isNamed(name) || parameters.some((one) => one.claims(name))
  }

  readonly #isNamed = (name: string): boolean => {
    const { parameters, otherQueryNames } = this.parts
    if (otherQueryNames !== 'any' && otherQueryNames.has(name)) return true
    return parameters.some((one) => !one.isSpread && one.claims(name))
  }
}

const maxViolations = 20

function refused(errors: ProblemPlace[]) {
  return problem('invalid_request', { detail: 'openapi_parameters', errors })
}

// RFC 6901 section 3.
function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === name.length && rawHeaders[i]?.toLowerCase() === name)
      values.push(rawHeaders[i + 1] ?? '')
  }
  return values
}

function fieldsOf(rawHeaders: readonly string[]): Pick<RequestParts, 'header' | 'cookie'> {
  const header = new Map<string, string[]>()
  for (let i = 0; i < rawHeaders.length; i += 2)
    add(header, (rawHeaders[i] ?? '').toLowerCase(), rawHeaders[i + 1] ?? '')
  const cookie = new Map<string, string[]>()
  for (const pair of header.get('cookie')?.flatMap((value) => value.split(';')) ?? []) {
    const equals = pair.indexOf('=')
    if (equals !== -1) add(cookie, pair.slice(0, equals).trim(), pair.slice(equals + 1).trim())
  }
  return { header, cookie }
}

function add(map: Map<string, string[]>, name: string, value: string): void {
  const known = map.get(name)
  if (known === undefined) map.set(name, [value])
  else known.push(value)
}
