// What is known about connections, where the server outlives the app: reloads are made of that.
import { PassThrough } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import { endArrivalsAtStop } from '../plugins/connections.ts'
import { AppServer } from '../src/app-server.ts'
import { limits } from './forward/gateway.ts'

t.test('a connection that outlives an app carries nothing of it', async (t) => {
  const connection = new PassThrough()
  const before = connection.listenerCount('close')
  for (let i = 0; i < 20; i += 1) {
    const app = Fastify({ serverFactory: new AppServer(limits).newSide().serverFactory })
    endArrivalsAtStop(app)
    await app.ready()
    app.server.emit('connection', connection)
    t.equal(connection.listenerCount('close'), before + 1, 'the app serves')
    await app.close()
    t.equal(connection.listenerCount('close'), before, 'and is gone')
  }
  t.notOk(connection.destroyed)
})
