// The form parser by itself; what the routes make of forms is in `auth-routes/token.test.ts`.
import t from 'tap'
import { formParameterLimit, formTextLimit, parseForm } from '../../../plugins/body-parsers/form.ts'
import { Problem } from '../../../plugins/errors/index.ts'

t.test('a form is decoded, and a parameter without a value is as if omitted', (t) => {
  const forms: [string, Record<string, string>][] = [
    ['', {}],
    ['a=1', { a: '1' }],
    ['a=1+2%203%2B&b=%C3%A9', { a: '1 2 3+', b: 'é' }],
    ['a=b=c', { a: 'b=c' }],
    ['a=&b&c=1', { c: '1' }],
    ['A=1&a=2', { A: '1', a: '2' }],
    ['a%5B%5D=1', { 'a[]': '1' }],
    ['a;b=1', { 'a;b': '1' }],
  ]
  for (const [text, parameters] of forms) t.strictSame({ ...parseForm(text) }, parameters, text)
  t.end()
})

t.test('a form has no prototype to pollute', (t) => {
  const form = parseForm('__proto__=x&constructor=y')
  t.equal(Object.getPrototypeOf(form), null)
  t.strictSame(Object.keys(form), ['__proto__', 'constructor'])
  t.end()
})

t.test('a repeated, nameless, broken or oversized parameter is refused', (t) => {
  for (const text of [
    'a=1&a=1',
    'a=1&b=2&%61=3',
    'a&a',
    'a=&a=1',
    '=1',
    'a=1&',
    '&a=1',
    'a=%',
    'a=%zz',
    'a=%C3',
    '%ff=1',
    Array.from({ length: formParameterLimit + 1 }, (_, i) => `p${i}=`).join('&'),
    `a=${'x'.repeat(formTextLimit + 1)}`,
    `${'x'.repeat(formTextLimit + 1)}=a`,
  ]) {
    t.throws(() => parseForm(text), Problem, text.slice(0, 20))
  }
  t.end()
})
