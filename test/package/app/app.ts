// An app of somebody else's: what the package gives in one call, a user, and a route that asks who is calling. The test of the
// package copies it into an empty folder, type-checks it there and runs it with a store as its only argument.
import cardea, { accessOf, requires } from 'cardea'
import Fastify from 'fastify'

const [store = ':memory:', port = '0'] = process.argv.slice(2)
const app = Fastify()

await app.register(cardea, {
  secret: process.env['APP_SECRET'] ?? '',
  issuer: process.env['APP_ISSUER'] ?? 'http://127.0.0.1:3000',
  store,
})

await app.credentials.create({
  username: 'alice',
  password: 'sheep under 7 blue lanterns',
  roles: ['user'],
  scope: 'orders:read',
})

app.get('/orders', { onRequest: requires('authenticated') }, (request) => ({ orders: [], of: accessOf(request).sub }))
app.get('/reports', { onRequest: requires({ roles: ['admin'] }) }, () => ({ reports: [] }))
app.post('/echo', (request) => request.body)

console.log(await app.listen({ port: Number(port), host: '127.0.0.1' }))
process.once('SIGTERM', () => app.close())
