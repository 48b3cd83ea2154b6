// Clients and services that hang up: a connection that ends or is reset before, during and right after its bytes, read or unread,
// at every stage that it can be at. Whatever comes of it, the gateway's process lives, logs no error and serves who asks next.
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { openRaw, type RawClient } from '../../support/raw-client.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type FuzzScene, openScene } from '../fuzz/rough-scene.ts'
import { rudeBehaviours } from '../fuzz/rude-service.ts'

t.setTimeout(110_000)

const host = 'Host: 127.0.0.1\r\n'
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const asks = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${key}`

interface Stage {
  /** What is sent to come there. */
  bytes: string
  /** It is reached when something has come back; else when it was sent. */
  hasResponse?: boolean
  metrics?: boolean
}

function stagesOf(token: string): Record<string, Stage> {
  const bearer = `Authorization: Bearer ${token}\r\n`
  return {
    'nothing sent': { bytes: '' },
    'half a head': { bytes: `GET /x/ok HTTP/1.1\r\n${host}` },
    'half a body of our own': { bytes: `POST /auth/token HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\n{` },
    'half a body to a service': { bytes: `POST /x/ok HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\n{` },
    'a body that waits to be asked for': {
      bytes: `POST /x/ok HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
      hasResponse: true,
    },
    'a refusal that leaves a body unread': {
      bytes: `POST /private/ok HTTP/1.1\r\n${host}Content-Length: 99999\r\n\r\n{`,
      hasResponse: true,
    },
    'what is no request': { bytes: '\x16\x03\x01\r\n\r\n', hasResponse: true },
    'CONNECT refused': { bytes: `CONNECT any:80 HTTP/1.1\r\n${host}\r\n`, hasResponse: true },
    'CONNECT with bytes behind it': { bytes: `CONNECT any:80 HTTP/1.1\r\n${host}\r\n${'early '.repeat(5000)}` },
    'CONNECT behind a request that waits': {
      bytes: `GET /x/held HTTP/1.1\r\n${host}\r\nCONNECT any:80 HTTP/1.1\r\n${host}\r\n`,
    },
    'a handshake behind a request that waits': {
      bytes: `GET /x/held HTTP/1.1\r\n${host}\r\nGET /x/switches HTTP/1.1\r\n${host}${asks}\r\n`,
    },
    'a handshake refused': { bytes: `GET /private/switches HTTP/1.1\r\n${host}${asks}\r\n`, hasResponse: true },
    'a handshake with a body': { bytes: `GET /x/switches HTTP/1.1\r\n${host}${asks}Content-Length: 9\r\n\r\n{` },
    'a handshake that waits': { bytes: `GET /x/held HTTP/1.1\r\n${host}${asks}\r\n` },
    'a tunnel': { bytes: `GET /x/switches HTTP/1.1\r\n${host}${asks}\r\n`, hasResponse: true },
    'a request that waits': { bytes: `GET /x/held HTTP/1.1\r\n${host}\r\n` },
    'a long response': { bytes: `GET /x/big HTTP/1.1\r\n${host}\r\n`, hasResponse: true },
    'a response that drips': { bytes: `GET /x/dripping HTTP/1.1\r\n${host}\r\n`, hasResponse: true },
    'many pipelined requests': { bytes: `GET /ops/modules/uplot.js HTTP/1.1\r\n${host}\r\n`.repeat(200) },
    'a stream of events': { bytes: `GET /admin/events/stream HTTP/1.1\r\n${host}${bearer}\r\n`, hasResponse: true },
    'figures of the other listener': {
      bytes: `GET /metrics HTTP/1.1\r\n${host}\r\n`,
      hasResponse: true,
      metrics: true,
    },
    'CONNECT to the other listener': { bytes: `CONNECT any:80 HTTP/1.1\r\n${host}\r\n`, metrics: true },
    'a handshake with the other listener': { bytes: `GET / HTTP/1.1\r\n${host}${asks}\r\n`, metrics: true },
    'what is no request to the other listener': { bytes: '\0\r\n\r\n', metrics: true },
  }
}

/** How a client hangs up, when it is at its stage. */
const hangUps: Record<string, (client: RawClient) => void> = {
  'with an end': ({ socket }) => socket.end(),
  'with a reset': ({ socket }) => socket.resetAndDestroy(),
  'with more bytes and an end': ({ socket }) => socket.end('more '.repeat(20_000)),
  'with more bytes and a reset': ({ socket }) => {
    socket.write('more '.repeat(20_000), () => socket.resetAndDestroy())
  },
}

async function hangUpAt(scene: FuzzScene, { bytes, hasResponse, metrics }: Stage, how: string, reads: boolean) {
  const client = openRaw(metrics ? scene.metricsPort : scene.port)
  const { socket } = client
  let hasHungUp = false
  const hangUp = () => {
    hasHungUp = true
    if (!reads) socket.pause()
    hangUps[how]?.(client)
  }
  // In the same turn: a moment later the gateway may have ended the connection in good order.
  if (hasResponse) socket.once('data', hangUp).write(bytes, 'latin1')
  else if (bytes === '') socket.once('connect', hangUp)
  else socket.write(bytes, 'latin1', hangUp)
  const isOver = () => client.closed || (hasHungUp && (socket.destroyed || socket.writableFinished))
  await eventually('the client has hung up', isOver)
  return client
}

async function requireUnharmed(t: Tap, scene: FuzzScene, what: string) {
  t.same(await scene.probe(), [], `${what}: whoever asks next is served`)
  t.ok(scene.isAlive(), `${what}: the process lives`)
  t.same(scene.findings(), [], `${what}: no error was logged`)
}

type Tap = Pick<typeof t, 'ok' | 'same'>

t.test('a client may hang up at any stage and in any way', async (t) => {
  const scene = await openScene(temporaryFolder(t))
  t.teardown(() => scene.close())
  for (const [name, stage] of Object.entries(stagesOf(scene.token))) {
    const clients: RawClient[] = []
    for (const how of Object.keys(hangUps)) {
      for (const reads of [true, false]) clients.push(await hangUpAt(scene, stage, how, reads))
    }
    await requireUnharmed(t, scene, name)
    for (const { socket } of clients) socket.destroy()
  }
  // What the gateway had still to say, it has said by now to nobody.
  await requireUnharmed(t, scene, 'after all of them')
})

t.test('a service may do anything to a request, a body and a handshake, with its client there or gone', async (t) => {
  const scene = await openScene(temporaryFolder(t))
  t.teardown(() => scene.close())
  for (const behaviour of rudeBehaviours) {
    const requests = [
      `GET /x/${behaviour} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
      `POST /x/${behaviour} HTTP/1.1\r\n${host}Content-Length: 60000\r\n\r\n${'x'.repeat(30_000)}`,
      `GET /x/${behaviour} HTTP/1.1\r\n${host}${asks}\r\nearly`,
      `GET /x/${behaviour} HTTP/1.1\r\n${host}\r\n`.repeat(5),
    ]
    const clients = await Promise.all(
      requests.flatMap((bytes) => [
        hangUpAt(scene, { bytes }, 'with a reset', true),
        hangUpAt(scene, { bytes, hasResponse: behaviour !== 'held' }, 'with an end', true),
      ]),
    )
    await requireUnharmed(t, scene, behaviour)
    for (const { socket } of clients) socket.destroy()
  }
})
