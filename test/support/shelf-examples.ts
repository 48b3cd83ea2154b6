// The examples of plugins/README.md as programs, and what their comments say a request is answered with. Both the sources and
// the packed package are held to them.
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { Test } from 'tap'

/** A request that a comment of an example tells of: `GET /path with name: value → 200 part of head or body`. */
interface Promised {
  line: string
  method: string
  path: string
  headers: Record<string, string>
  body: string | undefined
  status: number
  part: string
}

export interface ShelfExample {
  /** TypeScript; it imports from `cardea` and prints its address, last. */
  program: string
  promises: Promised[]
}

const page = new URL('../../plugins/README.md', import.meta.url)

/** The example of the whole, and the one that takes each plugin in turn. */
export function shelfExamples(): [whole: ShelfExample, each: ShelfExample] {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code)
  const [whole = '', ...each] = blocks
  return [exampleOf(whole), exampleOf(each.join('\n'))]
}

function exampleOf(code: string): ShelfExample {
  const listening = "console.log(await app.listen({ host: '127.0.0.1', port: 0 }))\n"
  return { program: `${code}\n${listening}`, promises: promisesOf(code) }
}

function promisesOf(code: string): Promised[] {
  const lines = code.matchAll(/^\/\/ ((GET|POST) (\S+)(?: with (\S+): (.+?))?(?: (\S.*?))? → (\d{3}) (.+))$/gm)
  return [...lines].map(([, line = '', method = '', path = '', name, value = '', body, status, part = '']) => {
    const type = body?.startsWith('{') ? 'application/json' : 'application/x-www-form-urlencoded'
    const headers = {
      ...(name !== undefined && { [name]: value }),
      ...(body !== undefined && { 'content-type': type }),
    }
    return { line, method, path, headers, body, status: Number(status), part }
  })
}

/** Asks a running example everything that its comments tell of. @param url where it listens */
export async function keepsItsPromises(t: Test, url: string, promises: readonly Promised[]): Promise<void> {
  for (const promised of promises) {
    const { line, status, part } = promised
    t.match(await ask(url, promised), { status, text: part }, line)
  }
}

// Not fetch, which writes paths and the Host field its own way.
function ask(url: string, { body, headers, method, path }: Promised): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const { hostname, port } = new URL(url)
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  const sent = httpRequest({ hostname, port, method, path, headers: { ...headers, ...length } }, (response) => {
    const parts: Buffer[] = []
    response.on('data', (part: Buffer) => parts.push(part))
    response.on('end', () => {
      const text = `${response.rawHeaders.join('\n')}\n${Buffer.concat(parts)}`
      resolve({ status: response.statusCode ?? 0, text })
    })
  })
  sent.on('error', reject).end(body)
  return promise
}
