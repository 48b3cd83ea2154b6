// Tests of what is known about connections, where the server outlives the app: reloads are made of that.
import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import { endArrivalsAtStop } from '../../../plugins/http-edge/long-requests.ts'
import { AppServer } from '../../../src/process/http-server.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw } from '../../support/raw-client.ts'
import { gatewayFor, limits } from '../forward/gateway.ts'

t.test('a connection that outlives an app carries nothing of it', async (t) => {
  const connection = new PassThrough()
  const before = connection.listenerCount('close')
  for (let i = 0; i < 20; i += 1) {
    const app = Fastify({ serverFactory: new AppServer(limits).newSlot().serverFactory })
    endArrivalsAtStop(app)
    await app.ready()
    app.server.emit('connection', connection)
    t.equal(connection.listenerCount('close'), before + 1, 'the app serves')
    await app.close()
    t.equal(connection.listenerCount('close'), before, 'and is gone')
  }
  t.notOk(connection.destroyed)
})

// proc_net_tcp(5): local address, its state (01: established), and the timer that runs (02: TCP asks whether the other is there).
function probesOf(port: number): number[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const lines = readFileSync('/proc/net/tcp', 'utf8').matchAll(/:(\w{4}) \w+:\w+ 01 \w+:\w+ (\w\w):(\w+)/g)
  return [...lines].flatMap(([, local, timer, ticks = '']) =>
    local === hex && timer === '02' ? [Number.parseInt(ticks, 16) / 100] : [],
  )
}

t.test('a client that vanishes without a word is asked for by TCP within half a minute', async (t) => {
  const { port } = await gatewayFor(t, [])
  const client = openRaw(port)
  t.teardown(() => void client.socket.destroy())
  await eventually('the probes are set', () => probesOf(port).length === 1)
  const [inSeconds = 0] = probesOf(port)
  t.ok(inSeconds > 1 && inSeconds <= 30, `${inSeconds} s`)
})
