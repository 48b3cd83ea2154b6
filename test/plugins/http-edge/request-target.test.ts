// The canonical form of a target: every spelling that is refused, and why.
import t from 'tap'
import { checkTarget, isCanonicalPrefix } from '../../../plugins/http-edge/request-target.ts'

const canonical = [
  '/',
  '/orders',
  '/orders/',
  '/orders/17',
  '/orders/a.b',
  '/orders/...',
  '/orders/.hidden',
  '/orders/..hidden',
  "/orders/-._~!$&'()*+,=:@",
  '/orders/a[0]|b^',
  '/orders/.a',
  '/orders/a.',
  '/orders/%20',
  '/orders/%21',
  '/orders/%29',
  '/orders/%F4%8F%BF%BF',
  '/orders/%25',
  '/orders/%3B',
  '/orders/%E2%82%AC',
  '/orders/%e2%82%ac',
  '/orders?',
  '/orders?a=b&a=c',
  '/orders?next=//x/../y;z\\%2F%zz',
]

for (const target of canonical) {
  t.test(`${target} is canonical and stays as it is`, async (t) => {
    t.same(checkTarget(target, 'gateway'), { outcome: 'canonical', target })
  })
}

const refused: [string, string][] = [
  ['//orders', 'path_empty_segment'],
  ['/orders//17', 'path_empty_segment'],
  ['/orders/./17', 'path_dot_segment'],
  ['/orders/.', 'path_dot_segment'],
  ['/orders/..', 'path_dot_segment'],
  ['/orders/../admin', 'path_dot_segment'],
  ['/..', 'path_dot_segment'],
  ['/orders/..?x', 'path_dot_segment'],
  ['/orders/%2e%2e/admin', 'path_dot_segment'],
  ['/orders/.%2E', 'path_dot_segment'],
  ['/orders/%2E', 'path_dot_segment'],
  ['/orders/%2E?x', 'path_dot_segment'],
  ['/orders%2F..', 'path_dot_segment'],
  ['/orders%2f%2e%2E%2fadmin', 'path_dot_segment'],
  ['/orders/..%2Fadmin', 'path_dot_segment'],
  ['/orders/.%2f17', 'path_dot_segment'],
  ['/orders/%2F.', 'path_dot_segment'],
  ['/orders/%%34%31', 'path_bad_escape'],
  ['/orders/%%32F17', 'path_bad_escape'],
  ['/orders/%4%31', 'path_bad_escape'],
  ['/orders%5C17', 'path_escaped_separator'],
  ['/orders/%00', 'path_escaped_control'],
  ['/orders/%0d%0aX:y', 'path_escaped_control'],
  ['/orders/%7f', 'path_escaped_control'],
  ['/orders/%', 'path_bad_escape'],
  ['/orders/%4', 'path_bad_escape'],
  ['/orders/%zz', 'path_bad_escape'],
  ['/orders/%2:', 'path_bad_escape'],
  ['/orders/%2g', 'path_bad_escape'],
  ['/orders/%F5%80%80%80', 'path_bad_escape'],
  ['/orders/%c0%ae', 'path_bad_escape'],
  ['/orders/%C1%9C', 'path_bad_escape'],
  ['/orders/%ff', 'path_bad_escape'],
  ['/orders;v=1', 'path_character'],
  ['/orders\\17', 'path_character'],
  ['/orders#a', 'path_character'],
  ['/orders 17', 'path_character'],
  ['/orders\t', 'path_character'],
  ['/orders\u0000', 'path_character'],
  ['/orders\u00e9', 'path_character'],
  ['/orders\u007f', 'path_character'],
  ['/orders"', 'path_character'],
  ['/orders<', 'path_character'],
  ['/orders?a#b', 'query_character'],
  ['/orders?a b', 'query_character'],
  ['/orders?\u00e9', 'query_character'],
  ['/orders?\u0001', 'query_character'],
  ['', 'target_form'],
  ['*', 'target_form'],
  ['orders', 'target_form'],
  ['gateway/orders', 'target_form'],
  ['gateway:443', 'target_form'],
  ['http://other/orders', 'target_form'],
  ['http://gateway', 'target_form'],
  ['http://gateway?/orders', 'target_form'],
  ['http://a@gateway/orders', 'target_form'],
  ['http://gateway:80/orders', 'target_form'],
  ['HTTP://gateway/orders', 'target_form'],
  ['ftp://gateway/orders', 'target_form'],
  ['http:///orders', 'target_form'],
  ['http://gateway//orders', 'path_empty_segment'],
  ['http://gateway/../orders', 'path_dot_segment'],
]

for (const [target, detail] of refused) {
  t.test(`${JSON.stringify(target)} is refused: ${detail}`, async (t) => {
    t.same(checkTarget(target, 'gateway'), { outcome: 'refused', detail })
  })
}

const normalised: [string, string][] = [
  ['/%61dmin', '/admin'],
  ['/orders/%7E%7ejoe', '/orders/~~joe'],
  ['/orders/%2d%2D', '/orders/--'],
  ['/orders/a%2Eb', '/orders/a.b'],
  ['/orders/%5F%30%39%41%5a%61%7A', '/orders/_09AZaz'],
  ['/orders/%40%5B%60%7B', '/orders/%40%5B%60%7B'],
  ['/orders/%2541', '/orders/%2541'],
  ['/orders/%61%25%36%31', '/orders/a%2561'],
  ['/orders/%41?a=%41&b=%2e%2e', '/orders/A?a=%41&b=%2e%2e'],
  ['http://gateway/%6F', '/o'],
]

for (const [target, sent] of normalised) {
  t.test(`${target} is ${sent}: nobody needs the escape`, async (t) => {
    t.same(checkTarget(target, 'gateway'), { outcome: 'canonical', target: sent })
  })
}

t.test(
  'every byte that is escaped: what is needed stays, what is needless goes, what is harmful is refused',
  async (t) => {
    const unreserved = /^[A-Za-z0-9._~-]$/
    for (let byte = 0; byte < 256; byte += 1) {
      const escaped = `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
      const character = String.fromCharCode(byte)
      const why =
        byte < 0x20 || byte === 0x7f
          ? 'path_escaped_control'
          : byte === 0x5c
            ? 'path_escaped_separator'
            : byte === 0xc0 || byte === 0xc1 || byte >= 0xf5
              ? 'path_bad_escape'
              : undefined
      const target = `/a${unreserved.test(character) ? character : escaped}b`
      const expected = why
        ? { outcome: 'refused', detail: why }
        : { outcome: byte === 0x2f ? 'slashed' : 'canonical', target }
      t.same(checkTarget(`/a${escaped}b`, 'gateway'), expected, escaped)
      t.same(
        checkTarget(`/a${escaped.toLowerCase()}b`, 'gateway'),
        why || unreserved.test(character) ? expected : { ...expected, target: target.toLowerCase() },
        escaped,
      )
    }
  },
)

t.test('every character of a query: what could end the request line or hide in it is refused', async (t) => {
  for (let code = 0; code < 0x180; code += 1) {
    const target = `/a?${String.fromCharCode(code)}`
    const isFine = code > 0x20 && code < 0x7f && code !== 0x23
    const expected = isFine ? { outcome: 'canonical', target } : { outcome: 'refused', detail: 'query_character' }
    t.same(checkTarget(target, 'gateway'), expected, String(code))
  }
})

t.test('a target with escaped slashes is told apart from a canonical one', async (t) => {
  for (const target of ['/orders%2F17', '/orders%2f17', '/api/queues/%2F/work', '/%2F', '/a%2F%2Fb', '/a%2F..b?x'])
    t.same(checkTarget(target, 'gateway'), { outcome: 'slashed', target })
  t.same(checkTarget('/%40a%2F%62', 'gateway'), { outcome: 'slashed', target: '/%40a%2Fb' })
})

t.test('absolute-form of the host that was asked is its origin-form', async (t) => {
  t.same(checkTarget('http://Gateway:1/orders?x', 'gateway:1'), { outcome: 'canonical', target: '/orders?x' })
  t.same(checkTarget('https://gateway/', 'gateway'), { outcome: 'canonical', target: '/' })
})

t.test('a prefix is plain segments without a slash at the end', async (t) => {
  for (const prefix of ['/', '/orders', '/orders/v1', '/a.b', '/_x~-']) t.ok(isCanonicalPrefix(prefix), prefix)
  for (const prefix of [
    '',
    'orders',
    '/orders/',
    '//',
    '/a//b',
    '/.',
    '/a/..',
    '/a%20b',
    '/a;b',
    '/ä',
    '/a?b',
    '/*',
    '/:id',
  ]) {
    t.notOk(isCanonicalPrefix(prefix), prefix)
  }
})
