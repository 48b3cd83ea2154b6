// A Redis in a container for tests, started by testcontainers where a Docker engine answers: what redis-server.ts tries after
// REDIS_URL and before the programs of this machine. TEST_REDIS=container makes it the only way: nothing else then stands in
// for a container that does not start.
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What a test needs of tap's `t`. */
interface Ending {
  teardown(close: () => Promise<void> | void): void
}

/**
 * Starts a Redis with nothing in it, from the image of docker-compose.yml; it is removed when the test ends.
 * @returns its URL; undefined when no engine answers, or none that has the image or can fetch it
 * @throws Error when TEST_REDIS=container asks for a container and there is none
 */
export async function startRedisContainer(t: Ending): Promise<string | undefined> {
  if (await engineAnswers()) return startOrSay(t)
  if (isRequired()) throw new Error('TEST_REDIS=container, but no Docker engine answers.')
  return undefined
}

const isRequired = () => process.env['TEST_REDIS'] === 'container'

async function startOrSay(t: Ending): Promise<string | undefined> {
  const image = redisImage()
  try {
    return await start(t, image)
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    if (isRequired()) throw new Error(`${image} does not start in this Docker engine: ${cause}`)
    process.emitWarning(`A Docker engine answers, but ${image} does not start in it (${cause}): another Redis is used.`)
    return undefined
  }
}

async function start(t: Ending, image: string): Promise<string> {
  const { GenericContainer, Wait } = await import('testcontainers')
  const container = await new GenericContainer(image)
    .withCommand(['redis-server', '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'])
    .withExposedPorts(6379)
    .withTmpFs({ '/data': 'rw' })
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .withStartupTimeout(30_000)
    .start()
  t.teardown(async () => {
    await container.stop()
  })
  return `redis://${container.getHost()}:${container.getMappedPort(6379)}`
}

/** The name of the image, as docker-compose.yml has it: what is tested is what is shipped. */
function redisImage(): string {
  const compose = readFileSync(new URL('../docker-compose.yml', import.meta.url), 'utf8')
  const [, image] = /^ +image: (redis:\S+)$/m.exec(compose) ?? []
  if (image === undefined) throw new Error('docker-compose.yml names no image of Redis')
  return image
}

// Loading testcontainers takes a second, so it is only loaded where an engine may be.
async function engineAnswers(): Promise<boolean> {
  if (!mayHaveEngine()) return false
  const { getContainerRuntimeClient } = await import('testcontainers')
  try {
    await getContainerRuntimeClient()
    return true
  } catch {
    return false
  }
}

function mayHaveEngine(): boolean {
  const { DOCKER_HOST, XDG_RUNTIME_DIR } = process.env
  const ofUser = [
    '.docker/run/docker.sock',
    '.docker/desktop/docker.sock',
    '.docker/contexts',
    '.testcontainers.properties',
  ]
  const places = ['/var/run/docker.sock', ...ofUser.map((path) => join(homedir(), path))]
  if (XDG_RUNTIME_DIR) places.push(join(XDG_RUNTIME_DIR, 'docker.sock'))
  return DOCKER_HOST !== undefined || places.some((place) => existsSync(place))
}
