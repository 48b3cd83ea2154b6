// The security header fields of the gateway's own responses: on each of them, and never in the place of what a route says itself.
import Fastify from 'fastify'
import t from 'tap'
import securityFields from '../../../plugins/http-edge/security-headers.ts'

async function appWith(hsts: boolean) {
  const app = Fastify()
  await app.register(securityFields, { hsts })
  app.get('/plain', async () => 'x')
  app.get('/page', async (_request, reply) => reply.header('content-security-policy', "default-src 'self'").send('x'))
  app.get('/hijacked', (_request, reply) => void reply.hijack().raw.end('x'))
  return app
}

t.test('answers, refusals and what is not there have them', async (t) => {
  const app = await appWith(true)
  for (const url of ['/plain', '/nothing']) {
    t.match((await app.inject(url)).headers, {
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'origin-agent-cluster': '?1',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
      'x-content-type-options': 'nosniff',
      'x-dns-prefetch-control': 'off',
      'x-download-options': 'noopen',
      'x-frame-options': 'SAMEORIGIN',
      'x-permitted-cross-domain-policies': 'none',
      'x-xss-protection': '0',
    })
  }
})

t.test('a route that says one itself keeps it, and gets the others', async (t) => {
  const { headers } = await (await appWith(false)).inject('/page')
  t.match(headers, { 'content-security-policy': "default-src 'self'", 'x-frame-options': 'SAMEORIGIN' })
  t.equal(headers['strict-transport-security'], undefined, 'not without hsts')
})

t.test('a response that is written past the framework has none', async (t) => {
  t.notMatch(Object.keys((await (await appWith(true)).inject('/hijacked')).headers).join(), /policy|frame|strict/)
})
