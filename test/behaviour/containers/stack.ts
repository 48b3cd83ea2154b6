// The stack of docker-compose.yml as its operators meet it: healthy, unprivileged, and its sessions outlive the gateway's and
// the store's end. .ci/containers runs this once it has brought the stack up; it is no part of `npm test`, which needs no engine.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { eventually } from '../../support/eventually.ts'

interface Tokens {
  access_token: string
  refresh_token: string
}

/** What `docker inspect` says of a container; the members that matter here. */
interface Container {
  State: { Status: string; ExitCode: number; Health: { Status: string } }
  HostConfig: { ReadonlyRootfs: boolean; CapDrop: string[] | null; SecurityOpt: string[] | null }
}

// DOCKER_HOST and COMPOSE_PROJECT_NAME are set by whoever brought the stack up.
async function docker(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', args, { cwd: new URL('../../..', import.meta.url) })
  return stdout.trim()
}

const compose = (...args: string[]) => docker('compose', ...args)

async function inspect(service: string): Promise<Container> {
  const [container]: Container[] = JSON.parse(await docker('inspect', await compose('ps', '--all', '--quiet', service)))
  if (!container) throw new Error(`there is no container of ${service}`)
  return container
}

// The port may be another one after each start.
async function gatewayUrl(): Promise<string> {
  return `http://${await compose('port', 'gateway', '3000')}`
}

async function post(path: string, body: unknown): Promise<Response> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  return fetch((await gatewayUrl()) + path, init)
}

async function tokensOf(response: Response): Promise<Tokens> {
  if (response.status !== 200) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`)
  // The shape of a token response (docs/reference.md#http-routes).
  return (await response.json()) as Tokens
}

async function signedIn(): Promise<Tokens> {
  const password = process.env['CARDEA_ADMIN_PASSWORD']
  return tokensOf(await post('/auth/login', { username: 'admin', password, delivery: 'body' }))
}

const refresh = (refreshToken: string) =>
  post('/auth/token', { grant_type: 'refresh_token', refresh_token: refreshToken })

async function call(accessToken: string): Promise<Response> {
  return fetch(`${await gatewayUrl()}/sample/hello`, { headers: { authorization: `Bearer ${accessToken}` } })
}

t.test('every container is healthy, may change nothing of itself and has no privilege', async (t) => {
  for (const service of ['gateway', 'redis', 'sample']) {
    const { State, HostConfig } = await inspect(service)
    t.equal(State.Health.Status, 'healthy', service)
    t.match(HostConfig, { ReadonlyRootfs: true, CapDrop: ['ALL'] }, service)
    const status = await compose('exec', '-T', service, 'cat', '/proc/1/status')
    t.match(status, /^Uid:\t([1-9]\d*)\t\1\t\1\t\1$/m, `${service} does not run as root`)
    t.match(status, /^CapEff:\t0+$/m, service)
    t.match(status, /^NoNewPrivs:\t1$/m, service)
  }
})

t.test('Redis appends every write to its file and never evicts', async (t) => {
  const config = await compose('exec', '-T', 'redis', 'redis-cli', 'config', 'get', 'appendonly', 'maxmemory-policy')
  t.match(config, /appendonly\s+yes/)
  t.match(config, /maxmemory-policy\s+noeviction/)
})

t.test('the image holds what runs and nothing else', async (t) => {
  const list = async (folder: string) => (await compose('exec', '-T', 'gateway', 'ls', '-A', folder)).split(/\s+/)
  t.strictSame((await list('/app')).sort(), ['LICENSE', 'node_modules', 'package.json', 'plugins', 'src'])
  const packages = await list('/app/node_modules')
  t.ok(packages.includes('fastify'))
  t.strictSame(
    ['tap', 'node', 'typescript', 'testcontainers', '@biomejs'].filter((name) => packages.includes(name)),
    [],
  )
})

t.test('the health check of the image tells a gateway that does not answer', async (t) => {
  const image = 'cardea'
  const test: string[] = JSON.parse(await docker('inspect', '--format', '{{json .Config.Healthcheck.Test}}', image))
  t.equal(test.shift(), 'CMD')
  await compose('exec', '-T', 'gateway', ...test)
  await t.rejects(docker('run', '--rm', '--network', 'none', image, ...test), { code: 1 })
})

t.test('a session outlives the end of the gateway and of the store', async (t) => {
  const first = await signedIn()
  const seen = await call(first.access_token)
  t.equal(seen.status, 200)
  // What the sample service answers with.
  const { path, headers } = (await seen.json()) as { path: string; headers: Record<string, string> }
  t.match(path, /\/hello$/)
  t.match(headers, { 'x-auth-subject': 'admin' })
  t.notOk(JSON.stringify(headers).includes(first.access_token))

  const second = await tokensOf(await refresh(first.refresh_token))
  await compose('stop', 'gateway')
  t.equal((await inspect('gateway')).State.ExitCode, 0, 'the gateway stopped in good order')
  await compose('up', '--detach', '--no-build', '--wait', 'gateway')
  t.equal((await call(second.access_token)).status, 200, 'its keys are the same')
  const third = await tokensOf(await refresh(second.refresh_token))
  t.not(third.refresh_token, second.refresh_token)

  await compose('kill', 'redis')
  await compose('up', '--detach', '--no-build', '--wait', 'redis')
  let last: Tokens | undefined
  await eventually('the gateway finds its store again', async () => {
    const response = await refresh(third.refresh_token)
    if (response.status === 200) last = await tokensOf(response)
    return last !== undefined
  })
  if (!last) throw new Error('not reached')
  t.equal((await call(last.access_token)).status, 200)

  t.equal((await post('/auth/logout', { refresh_token: last.refresh_token })).status, 204)
  t.equal((await refresh(last.refresh_token)).status, 400)
  t.equal((await call(last.access_token)).status, 401)
})
