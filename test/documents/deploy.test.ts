// Tests of the files in deploy/: what they name is there, what they set is a setting, the times fit together, and the programs
// that will read them take them, where they are installed.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/index.ts'
import { settings } from '../../src/config/settings/index.ts'

const root = new URL('../..', import.meta.url).pathname
const base = `${root}deploy/kubernetes/`
const read = (path: string) => readFileSync(`${root}deploy/${path}`, 'utf8')
const names = new Set(Object.values(settings).map(({ name }) => name))
const config = loadConfig({
  env: {
    NODE_ENV: 'production',
    CARDEA_SECRET: 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc',
    CARDEA_CONFIG: `${base}cardea.config.yaml`,
  },
  directory: root,
})
const graceSeconds = (config.drainMs + config.shutdownTimeoutMs) / 1000

t.test('the kustomize base names every file beside it, and Kubernetes’ own program takes it', async (t) => {
  const { resources, configMapGenerator } = parse(read('kubernetes/kustomization.yaml'))
  const named = [...resources, ...configMapGenerator[0].files, 'kustomization.yaml', 'monitoring']
  t.strictSame(readdirSync(base).sort(), named.sort())
  for (const file of parse(read('kubernetes/monitoring/kustomization.yaml')).resources) {
    t.ok(existsSync(`${base}monitoring/${file}`), file)
  }
  const made = runIfInstalled('kubectl', ['kustomize', base])
  if (made !== undefined) t.match(made, /kind: PodDisruptionBudget/)
})

t.test('a pod has the probes that are for it, time to drain, and only settings that there are', async (t) => {
  const { spec } = parse(read('kubernetes/deployment.yaml')).spec.template
  const [{ env, livenessProbe, readinessProbe, startupProbe, ports, image }] = spec.containers
  t.strictSame(
    [livenessProbe, readinessProbe, startupProbe].map(({ httpGet }) => httpGet.path),
    ['/livez', '/readyz', '/livez'],
  )
  t.ok(spec.terminationGracePeriodSeconds > graceSeconds, 'it may drain and finish')
  const secondsToLeave = readinessProbe.periodSeconds * readinessProbe.failureThreshold
  t.ok(secondsToLeave < config.drainMs / 1000, 'and is asked often enough to be left out meanwhile')
  for (const { name } of env) t.ok(names.has(name) || name === 'CARDEA_CONFIG', name)
  const portOf = (wanted: string) => ports.find(({ name }: { name: string }) => name === wanted)?.containerPort
  t.equal(portOf('http'), 3000)
  t.match(JSON.stringify(env), `"value":"0.0.0.0:${portOf('metrics')}"`)
  t.equal(image, 'cardea')
})

t.test('the unit of systemd drains, tells the primary alone, and is taken by systemd', async (t) => {
  const unit = read('systemd/cardea.service')
  t.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) > graceSeconds)
  t.match(unit, /^KillMode=mixed$/m)
  for (const [, name = ''] of unit.matchAll(/\b(CARDEA_\w+)/g)) t.ok(names.has(name) || name === 'CARDEA_CONFIG', name)
  const said = runIfInstalled('systemd-analyze', ['verify', `${root}deploy/systemd/cardea.service`])
  if (said !== undefined) t.equal(said, '')
})

t.test('docker compose stops later than the gateway does', async (t) => {
  const compose = parse(readFileSync(`${root}docker-compose.yml`, 'utf8'))
  t.ok(Number.parseInt(compose.services.gateway.stop_grace_period, 10) > graceSeconds)
})

// What they check beyond this needs a cluster, or a machine that was started by systemd.
function runIfInstalled(program: string, args: string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
