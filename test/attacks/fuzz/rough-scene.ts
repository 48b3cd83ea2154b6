// The scene of rough connections: a gateway that is a process of its own, a rude service and a good one behind it, and what
// must not be seen in the process whatever is done to it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../../support/eventually.ts'
import { freePort } from '../../support/processes/free-port.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { startFakeUpstream } from '../../support/upstream.ts'
import { startRudeService } from './rude-service.ts'

const errorLevel = 50
/** Lines of the banner, which are for people. */
const banner = /^(Cardea|Swagger UI|operators|first admin|\s*$)/

export interface FuzzScene {
  gateway: GatewayProcess
  port: number
  metricsPort: number
  /** An administrator's. */
  token: string
  isAlive(): boolean
  /** What should not have been said: lines of errors, stacks. Each is told once. */
  findings(): string[]
  /** Asks what every client may ask. @returns what was wrong with the responses */
  probe(): Promise<string[]>
  /** Descriptors that the process holds open now. */
  descriptors(): number
  /** MiB. */
  residentMib(): number
  close(): Promise<void>
}

/**
 * Starts everything. `/x` and `/private` lead to the rude service, `/well` and `/guarded` to the good one.
 * @param folder for the config and the data
 * @param env more settings
 */
export async function openScene(folder: string, env: Record<string, string> = {}): Promise<FuzzScene> {
  const rude = await startRudeService()
  const good = await startFakeUpstream((_request, response) => response.end('well'))
  const metricsPort = await freePort()
  const file = join(folder, 'cardea.config.yaml')
  writeFileSync(file, JSON.stringify({ routes: routesTo(rude.url, good.url) }))
  const gateway = await GatewayProcess.start({
    CARDEA_CONFIG: file,
    CARDEA_DATA_DIR: join(folder, 'data'),
    CARDEA_METRICS: `127.0.0.1:${metricsPort}`,
    CARDEA_LOG_LEVEL: 'warn',
    CARDEA_ACCESS_TTL: '1h',
    CARDEA_LOGIN_LIMIT: '100000/1s',
    ...env,
  })
  const { pid } = gateway
  const token = await signIn(gateway)
  return {
    gateway,
    port: Number(new URL(gateway.url).port),
    metricsPort,
    token,
    isAlive: () => isAlive(pid),
    findings: () => wrongLines(gateway.output.splice(0)),
    probe: () => probe(gateway, metricsPort, token),
    descriptors: () => (isAlive(pid) ? readdirSync(`/proc/${pid}/fd`).length : 0),
    residentMib: () => residentMib(pid),
    close: async () => {
      await gateway.stop()
      await rude.close()
      await good.close()
    },
  }
}

function routesTo(rude: string, good: string): object[] {
  const timeouts = { connect: '1s', headers: '1s', bodyIdle: '1s', websocketIdle: '1s' }
  // However rude, it is asked again at once.
  const patient = { timeouts, websocket: true, bodyLimitBytes: 65_536, ejection: { failures: 1000, first: '1ms' } }
  return [
    { prefix: '/x', upstream: rude, policy: 'public', ...patient },
    { prefix: '/private', upstream: rude, policy: 'authenticated', accessCookie: true, ...patient },
    { prefix: '/well', upstream: good, policy: 'public' },
    { prefix: '/guarded', upstream: good, policy: 'authenticated' },
  ]
}

async function signIn({ url, adminPassword }: GatewayProcess): Promise<string> {
  const body = JSON.stringify({ username: 'admin', password: adminPassword, delivery: 'body' })
  const response = await fetch(`${url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  // Boundary: the response of a gateway that was asked rightly.
  const { access_token: token } = (await response.json()) as { access_token?: string }
  if (token === undefined) throw new Error(`sign-in gave ${response.status}`)
  return token
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function residentMib(pid: number | undefined): number {
  if (!isAlive(pid)) return 0
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

function wrongLines(lines: readonly string[]): string[] {
  return lines.filter((line) => {
    if (!line.startsWith('{')) return !banner.test(line)
    // Boundary: a line of the log.
    return (JSON.parse(line) as { level: number }).level >= errorLevel
  })
}

const probeMs = 10_000

async function probe({ url, pid }: GatewayProcess, metricsPort: number, token: string): Promise<string[]> {
  const authorization = `Bearer ${token}`
  const asked = {
    [`${url}/livez`]: {},
    [`${url}/well/done`]: {},
    [`${url}/guarded`]: { authorization },
    [`http://127.0.0.1:${metricsPort}/metrics`]: {},
  }
  const wrong: string[] = []
  for (const [target, headers] of Object.entries(asked)) {
    const said = await patientStatusOf(pid, target, headers)
    if (said !== 200) wrong.push(`${new URL(target).pathname} gave ${said}`)
  }
  return wrong
}

const maxAttempts = 10

// Asked again where others had the processor for most of the time: a gateway that may not run is not one that hangs.
async function patientStatusOf(pid: number | undefined, target: string, headers: Record<string, string>) {
  for (let attempts = 1; ; attempts += 1) {
    const [startedAt, starved] = [performance.now(), starvedMs(pid)]
    const said = await statusOf(target, headers).catch(String)
    const isStarved = starvedMs(pid) - starved > (performance.now() - startedAt) / 2
    if (said === 200 || !isStarved || attempts === maxAttempts) return said
  }
}

/** For how long a process was ready to run and had no processor, ms (proc_pid_schedstat(5)); 0 where the system does not say. */
function starvedMs(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1_000_000
  } catch {
    return 0
  }
}

async function statusOf(target: string, headers: Record<string, string>): Promise<number> {
  const response = await fetch(target, { headers, signal: AbortSignal.timeout(probeMs) })
  await response.text()
  return response.status
}

/** Waits until nothing of what was done is held any more. @returns what is */
export async function whatIsHeld(scene: FuzzScene, before: number): Promise<string[]> {
  // Connections that are kept for the next request, on both sides.
  const spare = 16
  const isFree = () => scene.descriptors() <= before + spare
  return await eventually('all is free', isFree, 60_000).then(
    () => [],
    () => [`${scene.descriptors()} descriptors are open, ${before} were before`],
  )
}
