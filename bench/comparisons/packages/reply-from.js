// Fastify + @fastify/jwt + @fastify/reply-from, as their READMEs show them. Run as a process of its own with the service's
// address, the public key and whether verified tokens are remembered; prints its own address on the first line.
import fastifyJwt from '@fastify/jwt'
import fastifyReplyFrom from '@fastify/reply-from'
import Fastify from 'fastify'

const [base = '', publicKey = '', cache = ''] = process.argv.slice(2)
const app = Fastify({ keepAliveTimeout: 60_000 })
await app.register(fastifyJwt, {
  secret: { public: publicKey },
  verify: { algorithms: ['ES256'], cache: cache === 'cached' },
})
await app.register(fastifyReplyFrom, { base, undici: { connections: 64 } })
app.addHook('onRequest', (request) => request.jwtVerify())
app.get('/svc/*', (_request, reply) => reply.from())
console.log(await app.listen({ port: 0, host: '127.0.0.1' }))
