// Reloading: a real process under load is given other configs, and nobody notices but those who ask for what has changed.
import { once } from 'node:events'
import { renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '../../support/eventually.ts'
import { adminPassword, refresh, signIn } from '../../support/gateway-client.ts'
import { freePort } from '../../support/processes/free-port.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { later, startFakeUpstream, startStreamingUpstream } from '../../support/upstream.ts'

t.setTimeout(110_000)

interface Scene {
  gateway: GatewayProcess
  folder: string
  file: string
  upstream: string
  write(...prefixes: string[]): void
}

async function start(t: Test, more = '', env: Record<string, string> = {}): Promise<Scene> {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.yaml')
  const routes = (prefixes: string[]) =>
    prefixes.map((prefix) => `  - { prefix: ${prefix}, upstream: "${upstream.url}", policy: public }\n`).join('')
  const write = (...prefixes: string[]) => writeFileSync(file, `${more}routes:\n${routes(prefixes)}`)
  write('/one')
  const settings = { CARDEA_DATA_DIR: join(folder, 'data'), CARDEA_CONFIG: file, CARDEA_LOG_LEVEL: 'info', ...env }
  const gateway = await GatewayProcess.start(settings)
  t.teardown(() => gateway.kill('SIGKILL'))
  return { gateway, folder, file, upstream: upstream.url, write }
}

async function statusOf(gateway: GatewayProcess, path: string): Promise<number> {
  const response = await fetch(gateway.url + path)
  await response.body?.cancel()
  return response.status
}

function reloads({ output }: GatewayProcess): number {
  return output.filter((line) => line.includes('read anew and holds')).length
}

t.test('ten reloads under load: no request fails, and a changed route is there within a second', async (t) => {
  const { gateway, write } = await start(t)
  const agents = [new Agent({ connections: 4, pipelining: 1 }), new Agent({ pipelining: 0 })]
  t.teardown(() => Promise.all(agents.map((agent) => agent.destroy())))
  const failures: string[] = []
  let responded = 0
  let isStopped = false
  const client = async (dispatcher: Agent) => {
    while (!isStopped) {
      try {
        const response = await request(`${gateway.url}/one/x`, { dispatcher })
        await response.body.dump()
        if (response.statusCode === 200) responded += 1
        else failures.push(String(response.statusCode))
      } catch (error) {
        failures.push(String(error))
      }
    }
  }
  const clients = agents.flatMap((agent) => [client(agent), client(agent)])
  const tookMs: number[] = []
  for (let i = 0; i < 10; i += 1) {
    const before = responded
    write('/one', `/new${i}`)
    const writtenMs = performance.now()
    await eventually('the new route is there', async () => (await statusOf(gateway, `/new${i}`)) === 200)
    tookMs.push(performance.now() - writtenMs)
    await eventually('requests go on', () => responded > before + 20)
  }
  isStopped = true
  await Promise.all(clients)
  t.strictSame(failures, [])
  // Half of them: what else this machine does at the moment can cost one of them seconds.
  t.ok((tookMs.sort((one, other) => one - other)[4] ?? Infinity) < 1000, `after ${tookMs.map(Math.round)} ms`)
  t.equal(await statusOf(gateway, '/new0'), 404, 'what is gone is gone')
  t.equal(await gateway.stop(), 0)
})

t.test('a file that is still being written is not read, whoever asks for it', async (t) => {
  const { gateway, file, write } = await start(t)
  const statuses = new Set<number>()
  for (let i = 0; i < 5; i += 1) {
    writeFileSync(file, '')
    gateway.kill('SIGHUP')
    later(50, () => write('/one', `/new${i}`))
    await eventually('the whole file holds', async () => {
      statuses.add(await statusOf(gateway, '/one'))
      return (await statusOf(gateway, `/new${i}`)) === 200
    })
  }
  t.strictSame([...statuses], [200])
})

t.test('a bad file changes nothing and says everything that is wrong, as does one that needs a restart', async (t) => {
  const { gateway, file, write } = await start(t)
  writeFileSync(file, 'docs: maybe\nroutes:\n  - { prefix: /two, upstream: nowhere }\n')
  gateway.kill('SIGHUP')
  await eventually('it is refused', () => gateway.output.some((line) => line.includes('everything stays as it is')))
  const problem = gateway.output.find((line) => line.includes('everything stays as it is')) ?? ''
  t.match(problem, /docs is \\"maybe\\"/)
  t.match(problem, /routes\[0\]\.upstream/)
  t.equal(await statusOf(gateway, '/one'), 200)
  t.equal(await statusOf(gateway, '/two'), 404)
  writeFileSync(file, 'dataDir: elsewhere\nshutdownTimeout: 3s\nroutes: []\n')
  await eventually('it is refused', () => gateway.output.some((line) => line.includes('shutdownTimeout is 3000 now')))
  t.equal(await statusOf(gateway, '/one'), 200)
  const errorResponses = () => gateway.output.filter((line) => line.includes('is empty or gone')).length
  writeFileSync(file, '\n')
  await eventually('an empty one is refused', () => errorResponses() === 1)
  unlinkSync(file)
  await eventually('so is one that is gone', () => errorResponses() === 2)
  t.equal(await statusOf(gateway, '/one'), 200)
  write('/three')
  await eventually('a good one holds', async () => (await statusOf(gateway, '/three')) === 200)
})

t.test(
  'a file that is replaced by a rename, or behind a link, is read anew; SIGHUP reads it in any case',
  async (t) => {
    const { gateway, folder, file, upstream } = await start(t)
    const text = (prefix: string) => `routes:\n  - { prefix: ${prefix}, upstream: "${upstream}", policy: public }\n`
    writeFileSync(join(folder, 'draft'), text('/renamed'))
    renameSync(join(folder, 'draft'), file)
    await eventually('the renamed file holds', async () => (await statusOf(gateway, '/renamed')) === 200)
    writeFileSync(join(folder, 'first'), text('/first'))
    writeFileSync(join(folder, 'second'), text('/second'))
    symlinkSync(join(folder, 'first'), join(folder, '..data'))
    unlinkSync(file)
    symlinkSync('..data', file)
    await eventually('the link is followed', async () => (await statusOf(gateway, '/first')) === 200)
    symlinkSync(join(folder, 'second'), join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    await eventually('the moved link is followed', async () => (await statusOf(gateway, '/second')) === 200)
    const before = reloads(gateway)
    gateway.kill('SIGHUP')
    await eventually('it is read though nothing has changed', () => reloads(gateway) > before)
  },
)

t.test('a stream goes on over reloads, to its end or to the reload delay', async (t) => {
  const streams = await startStreamingUpstream((_request, response) => response.write('begun'))
  t.teardown(() => streams.close())
  const { gateway, file } = await start(t)
  const text = (delay: string) =>
    `reloadTimeout: ${delay}\nroutes:\n  - { prefix: /s, upstream: "${streams.url}", policy: public }\n`
  writeFileSync(file, text('1d'))
  await eventually('streams are there', async () => (await statusOf(gateway, '/s')) === 200)
  const stream = await fetch(`${gateway.url}/s/1`)
  let isCut = false
  void stream.text().catch(() => {
    isCut = true
  })
  const reloadWith = async (delay: string) => {
    const before = reloads(gateway)
    writeFileSync(file, text(delay))
    await eventually('it is reloaded', () => reloads(gateway) > before)
  }
  await reloadWith('1h')
  await reloadWith('1ms')
  t.notOk(isCut, 'it has outlived two reloads')
  const other = await fetch(`${gateway.url}/s/2`)
  const cut = other.text().catch(() => 'cut')
  await reloadWith('2h')
  t.equal(await cut, 'cut', 'its time was a millisecond')
  t.notOk(isCut, 'the first goes on')
})

t.test('a WebSocket goes on over a reload, and a new one is opened by the new app', async (t) => {
  const service = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  t.teardown(() => service.close())
  service.on('connection', (socket) => socket.on('message', (text) => socket.send(`echo ${text}`)))
  const { gateway, file } = await start(t)
  const address = service.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const text = (more: string) =>
    `routes:\n  - { prefix: /ws, upstream: "http://127.0.0.1:${port}", policy: public, websocket: true${more} }\n`
  writeFileSync(file, text(''))
  await eventually('the route is there', () => reloads(gateway) > 0)
  const echo = async (socket: WebSocket, word: string) => {
    const [response] = await Promise.all([once(socket, 'message'), socket.send(word)])
    return String(response[0])
  }
  const open = async () => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/ws/1`)
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    return socket
  }
  const before = await open()
  t.equal(await echo(before, 'one'), 'echo one')
  writeFileSync(file, text(', retries: 0'))
  await eventually('it is reloaded', () => reloads(gateway) > 1)
  t.equal(await echo(before, 'two'), 'echo two')
  t.equal(await echo(await open(), 'three'), 'echo three')
})

t.test('a document that a service gives late is asked for again, and one that changes is read anew', async (t) => {
  const port = await freePort()
  const document = (path: string) =>
    JSON.stringify({ openapi: '3.1.0', info: { title: 'late', version: '1' }, paths: { [path]: { get: {} } } })
  const { gateway, folder, file, upstream } = await start(t)
  const local = join(folder, 'orders.json')
  writeFileSync(local, document('/orders/a'))
  const route = (prefix: string, openapi: string) =>
    `  - { prefix: ${prefix}, upstream: "${upstream}", policy: public, openapi: ${openapi} }\n`
  writeFileSync(
    file,
    `routes:\n${route('/late', `http://127.0.0.1:${port}/openapi.json`)}${route('/orders', 'orders.json')}`,
  )
  await eventually('the local document holds', async () => (await statusOf(gateway, '/orders/a')) === 200)
  t.equal(await statusOf(gateway, '/late/x'), 503)
  t.equal(await statusOf(gateway, '/orders/b'), 404)
  writeFileSync(local, document('/orders/b'))
  await eventually('the changed document holds', async () => (await statusOf(gateway, '/orders/b')) === 200)
  writeFileSync(local, '{"openapi":"2.0"}')
  await eventually('it is refused', () => gateway.output.some((line) => line.includes('not an OpenAPI document')))
  t.equal(await statusOf(gateway, '/orders/b'), 200)
  const service = createServer((_request, response) => response.end(document('/late/x'))).listen(port, '127.0.0.1')
  t.teardown(() => service.close())
  await eventually('the late document holds', async () => (await statusOf(gateway, '/late/x')) === 200, 30_000)
  t.equal(await statusOf(gateway, '/late/y'), 404)
})

t.test('what a route has forwarded is counted on over reloads, also when it was gone for a while', async (t) => {
  const token = 'who-reads-metrics-shows-this'
  const { gateway, write } = await start(t, '', { CARDEA_METRICS_TOKEN: token })
  const counted = async () => {
    const response = await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
    const text = await response.text()
    const all = /cardea_forwarded_requests_total\{route="\/one",status="2xx"\} (\d+)/.exec(text)
    const timed = /cardea_upstream_latency_seconds_count\{route="\/one"\} (\d+)/.exec(text)
    return [all?.[1], timed?.[1]]
  }
  const ask = async () => t.equal(await statusOf(gateway, '/one'), 200)
  await ask()
  await ask()
  t.strictSame(await counted(), ['2', '2'])
  write('/one', '/two')
  await eventually('it is reloaded', async () => (await statusOf(gateway, '/two')) === 200)
  t.strictSame(await counted(), ['2', '2'])
  await ask()
  t.strictSame(await counted(), ['3', '3'])
  write('/two')
  await eventually('it is gone', async () => (await counted())[0] === undefined)
  write('/one')
  await eventually('it is back', async () => (await counted())[0] !== undefined)
  t.strictSame(await counted(), ['3', '3'])
})

t.test(
  'everything else that is counted goes on over a reload, and what is revoked meanwhile counts once',
  async (t) => {
    const token = 'who-reads-metrics-shows-this'
    const { gateway, write } = await start(t, '', {
      CARDEA_METRICS_TOKEN: token,
      CARDEA_ADMIN_PASSWORD: adminPassword,
      CARDEA_RELOAD_TIMEOUT: '1h',
    })
    const series = [
      'cardea_logins_total{outcome="ok"}',
      'cardea_events_total{reason="forged"}',
      'cardea_refreshes_total{outcome="granted",reason="rotated"}',
      'cardea_refresh_token_age_seconds_count',
      'cardea_session_rotations_count',
      'cardea_revocations_total{kind="session"}',
      'cardea_store_latency_seconds_count{verb="rotate"}',
      'cardea_revocation_propagation_seconds_count',
    ]
    const counted = async () => {
      const response = await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
      const lines = new Map(
        (await response.text()).split('\n').map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]),
      )
      return series.map((name) => lines.get(name))
    }
    const agent = new Agent()
    t.teardown(() => agent.destroy())
    const live = async () => {
      const { refresh_token } = await signIn(gateway.url)
      const { refreshToken = '' } = await refresh(gateway.url, refresh_token, agent)
      await refresh(gateway.url, 'crt_junk', agent)
      const body = JSON.stringify({ refresh_token: refreshToken })
      await fetch(`${gateway.url}/auth/logout`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
    }
    // Under way to the end: the app before goes on hearing what is revoked.
    const { port } = new URL(gateway.url)
    const half = connect(Number(port), '127.0.0.1', () =>
      half.write('POST /one HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n'),
    )
    t.teardown(() => half.destroy())
    await live()
    t.strictSame(await counted(), [1, 1, 1, 1, 1, 1, 1, 1])
    write('/one', '/two')
    await eventually('it is reloaded', async () => (await statusOf(gateway, '/two')) === 200)
    t.strictSame(await counted(), [1, 1, 1, 1, 1, 1, 1, 1])
    await live()
    t.strictSame(await counted(), [2, 2, 2, 2, 2, 2, 2, 2])
    half.destroy()
    write('/two')
    await eventually('it is reloaded', async () => (await statusOf(gateway, '/one')) === 404)
    await live()
    // An app that has ended may hear of one more, which it was waiting for.
    await live()
    t.strictSame(await counted(), [4, 4, 4, 4, 4, 4, 4, 4])
  },
)
