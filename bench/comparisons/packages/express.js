// Express + jsonwebtoken + http-proxy-middleware, as their READMEs show them. Run as a process of its own with the service's
// address and the public key; prints its own address on the first line.
import { Agent } from 'node:http'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import jsonwebtoken from 'jsonwebtoken'

const [target = '', publicKey = ''] = process.argv.slice(2)
const app = express()
app.use((request, response, next) => {
  try {
    jsonwebtoken.verify(request.headers.authorization?.slice('Bearer '.length) ?? '', publicKey, {
      algorithms: ['ES256'],
    })
    next()
  } catch {
    response.sendStatus(401)
  }
})
app.use(createProxyMiddleware({ target, agent: new Agent({ keepAlive: true, maxSockets: 64 }) }))
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`http://127.0.0.1:${address.port}`)
})
server.keepAliveTimeout = 60_000
