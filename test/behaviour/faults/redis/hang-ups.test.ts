// A Redis that hangs up: connections that end or are reset when they are accepted, at the first bytes of the gateway, and in the
// middle of a reply. Whatever comes of it, the gateway's process lives, and serves when Redis does.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { eventually } from '../../../support/eventually.ts'
import { GatewayProcess } from '../../../support/processes/gateway-process.ts'
import { startRedis } from '../../../support/redis/server.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

t.setTimeout(150_000)

/** What becomes of a new connection; false where Redis is to be reached. */
type Stage = (client: Socket, server: Socket) => boolean

const hangUps: Record<string, (socket: Socket) => void> = {
  end: (socket) => socket.end(),
  reset: (socket) => socket.resetAndDestroy(),
}

function stagesOf(hangUp: (socket: Socket) => void): Record<string, Stage> {
  return {
    'at once': (client) => {
      hangUp(client)
      return true
    },
    'at the first bytes': (client) => {
      client.once('data', () => hangUp(client))
      return true
    },
    'in the middle of a reply': (client, server) => {
      client.on('data', (bytes) => server.write(bytes))
      server.once('data', (bytes: Buffer) => client.write(bytes.subarray(0, bytes.length / 2), () => hangUp(client)))
      return true
    },
  }
}

/** Redis behind a wire that does to each connection what the stage of the moment says. */
async function rudeRedis(t: Test) {
  const redis = await startRedis(t)
  const target = Number(new URL(redis.url).port)
  const wire: { stage: Stage; met: number; sockets: Set<Socket> } = { stage: () => false, met: 0, sockets: new Set() }
  const server = createServer((client) => {
    const toRedis = connect(target, '127.0.0.1')
    for (const socket of [client, toRedis]) {
      wire.sockets.add(socket)
      socket
        .on('error', () => undefined)
        .on('close', () => {
          client.destroy()
          toRedis.destroy()
          wire.sockets.delete(socket)
        })
    }
    if (wire.stage(client, toRedis)) wire.met += 1
    else client.pipe(toRedis).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of wire.sockets) socket.destroy()
  })
  const address = server.address()
  return { wire, url: `redis://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` }
}

t.test('a Redis that hangs up at any stage ends no gateway, which serves when Redis does', async (t) => {
  const { wire, url } = await rudeRedis(t)
  const settings = { REDIS_URL: url, CARDEA_DATA_DIR: join(temporaryFolder(t), 'data') }
  const gateway = await GatewayProcess.start(settings)
  t.teardown(() => gateway.stop())
  const { pid = 0 } = gateway
  const isReady = async () => (await fetch(`${gateway.url}/readyz?full`).catch(() => undefined))?.status === 200
  for (const [how, hangUp] of Object.entries(hangUps)) {
    for (const [when, stage] of Object.entries(stagesOf(hangUp))) {
      wire.stage = stage
      wire.met = 0
      for (const socket of wire.sockets) socket.resetAndDestroy()
      await eventually(`${how} ${when}: several have met it`, () => wire.met >= 4, 30_000)
      wire.stage = () => false
      await eventually(`${how} ${when}: all is well again`, isReady, 30_000)
      t.doesNotThrow(() => process.kill(pid, 0), `${how} ${when}: the process lives`)
    }
  }
  t.notMatch(gateway.output.join('\n'), /nothing caught/)
})
