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
  ['/orders/%2e%2e/admin', 'path_needless_escape'],
  ['/orders/%2E', 'path_needless_escape'],
  ['/%61dmin', 'path_needless_escape'],
  ['/orders/%7E', 'path_needless_escape'],
  ['/orders/%2d', 'path_needless_escape'],
  ['/orders%2F17', 'path_escaped_separator'],
  ['/orders%2f17', 'path_escaped_separator'],
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
