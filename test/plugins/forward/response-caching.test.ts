// Tests of what caches are told of responses to people who are signed in, by Authorization or by a cookie.
import t from 'tap'
import { type ResponseContext, responseFields } from '../../../plugins/forward/headers/response-fields.ts'
import { compileRoutes } from '../../../plugins/forward/route/compile.ts'

const [route] = compileRoutes([{ prefix: '/orders', upstream: 'http://orders.internal:4000' }])

/** The values of a field of a response with these Cache-Control fields, or with others by name. */
function told(name: string, received: [name: string, value: string][], context: Partial<ResponseContext>): string[] {
  if (route === undefined) throw new Error('one route in, one route out')
  const response = { route, statusCode: 200, requestId: 'r-1', authenticated: true, byCookie: false }
  const fields = responseFields(
    { fields: received.flat(), connection: undefined },
    { ...response, allowOrigin: undefined, ...context },
  )
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1] === name)
}

const control = (...values: string[]): [string, string][] => values.map((value) => ['cache-control', value])
const expires: [string, string][] = [['expires', 'Thu, 01 Jan 2099 00:00:00 GMT']]

t.test('an authenticated answer without cache fields of its own is kept by no cache', async (t) => {
  for (const byCookie of [false, true]) {
    t.same(told('cache-control', [], { byCookie }), ['private, no-store'])
    t.same(told('vary', [], { byCookie }), ['Authorization, Cookie'])
  }
  t.same(told('cache-control', [], { authenticated: false }), [])
  t.same(told('cache-control', control('max-age=9'), {}), ['max-age=9'])
  t.same(told('cache-control', expires, {}), [])
})

t.test(
  'no shared cache keeps a response to a cookie for others, as none would keep one to Authorization',
  async (t) => {
    const byCookie = { byCookie: true }
    t.same(told('cache-control', control('max-age=9'), byCookie), ['max-age=9', 'private'])
    t.same(told('cache-control', control('max-age=9', 'must-revalidate'), byCookie).at(-1), 'private')
    t.same(told('cache-control', expires, byCookie), ['private'])
    for (const kept of [control('max-age=9'), control('private, max-age=9'), expires]) {
      t.same(told('vary', kept, byCookie), ['Cookie'], 'nor does the browser for whoever signs in there next')
    }
    t.same(told('vary', control('public, max-age=9'), byCookie), [])
    for (const forAll of ['public, max-age=9', 'max-age=9, Public', 's-maxage=9']) {
      t.same(told('cache-control', control(forAll), byCookie), [forAll], 'what a service gives to everybody')
    }
    t.same(told('cache-control', control('max-age=9', 'public'), byCookie), ['max-age=9', 'public'])
  },
)
