// The scene of link-down.test.ts, a process in a network of its own: a gateway, a service that streams, and a client in another
// network at the other end of a link, which is then taken down. Argument: the program `ip`. Writes a line of JSON: how long after
// that each place became free at the service, ms, by path.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../../../support/eventually.ts'
import { GatewayProcess } from '../../../support/processes/gateway-process.ts'
import { startStreamingUpstream } from '../../../support/upstream.ts'

const [ip = 'ip'] = process.argv.slice(2)
const paths = ['/x/events', '/x/download'] as const
const here = '10.77.0.1'
const there = '10.77.0.2'

// Says what arrives first on each connection, and then takes everything.
const clientSource = `
  const [port, ...paths] = process.argv.slice(1)
  for (const path of paths) {
    const socket = require('node:net').connect(port, '${here}')
    socket.write('GET ' + path + ' HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n')
    socket.once('data', () => console.log(path)).resume().on('error', () => {})
  }`

function run(...command: [string, ...string[]]): void {
  const [program, ...args] = command
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}

run(ip, 'link', 'set', 'lo', 'up')
run(ip, 'link', 'add', 'here', 'type', 'veth', 'peer', 'name', 'there')
run(ip, 'addr', 'add', `${here}/24`, 'dev', 'here')
run(ip, 'link', 'set', 'here', 'up')

const freedAt = new Map<string, number>()
const service = await startStreamingUpstream((request, response) => {
  response.on('close', () => freedAt.set(request.url ?? '', performance.now()))
  void send(response, request.url === '/x/events' ? 'data: one\n\n' : 'x'.repeat(100_000))
})

async function send(response: ServerResponse, part: string): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  while (!response.destroyed) {
    if (!response.write(part)) await Promise.race([once(response, 'drain'), once(response, 'close')])
    await delay(200)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'cardea-link-'))
const file = join(folder, 'cardea.config.yaml')
writeFileSync(file, JSON.stringify({ routes: [{ prefix: '/x', upstream: service.url, policy: 'public' }] }))
const gateway = await GatewayProcess.start({ CARDEA_CONFIG: file, CARDEA_DATA_DIR: folder, HOST: '0.0.0.0' })

// It waits for its network.
const script = `until ${ip} addr show there >/dev/null 2>&1; do sleep 0.1; done
  ${ip} addr add ${there}/24 dev there && ${ip} link set there up && exec "$@"`
const { port } = new URL(gateway.url)
const args = ['-n', 'sh', '-c', script, 'sh', process.execPath, '-e', clientSource, port, ...paths]
const client = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] })
let said = ''
client.stdout.on('data', (part) => {
  said += part
})
const networkOf = (pid: number | undefined) =>
  spawnSync('readlink', [`/proc/${pid}/ns/net`], { encoding: 'utf8' }).stdout
await eventually('the client has a network of its own', () => networkOf(client.pid) !== networkOf(process.pid), 30_000)
run(ip, 'link', 'set', 'there', 'netns', String(client.pid))
try {
  await eventually('both streams are under way', () => paths.every((path) => said.includes(path)), 60_000)
  run(ip, 'link', 'set', 'here', 'down')
  const downAt = performance.now()
  await eventually('the places are free', () => freedAt.size === paths.length, 120_000)
  const freeAfterMs = Object.fromEntries([...freedAt].map(([path, at]) => [path, Math.round(at - downAt)]))
  process.stdout.write(`${JSON.stringify(freeAfterMs)}\n`)
} finally {
  client.kill('SIGKILL')
  await gateway.stop()
  await service.close()
  rmSync(folder, { recursive: true, force: true })
}
