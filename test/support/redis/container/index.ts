// A Redis in a container for tests, started by testcontainers where a Docker engine answers: tried after REDIS_URL
// and before the programs of this machine. TEST_REDIS=container makes it the only way: nothing else then stands in
// for a container that does not start.
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { installOwnPackages } from '../../processes/own-packages.ts'

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
  if (await engineResponds()) return startOrSay(t)
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
  const { startRedisImage } = await import('./engine.js')
  const { url, stop } = await startRedisImage(image)
  t.teardown(async () => void (await stop()))
  return url
}

/** The name of the image, as docker-compose.yml has it: what is tested is what is shipped. */
function redisImage(): string {
  const compose = readFileSync(new URL('../../../../docker-compose.yml', import.meta.url), 'utf8')
  const [, image] = /^ +image: (redis:\S+)$/m.exec(compose) ?? []
  if (image === undefined) throw new Error('docker-compose.yml names no image of Redis')
  return image
}

// Testcontainers is installed and loaded only where an engine may be: most machines have none, and use another Redis.
async function engineResponds(): Promise<boolean> {
  if (!(await mayHaveEngine())) return false
  await installOwnPackages(new URL('./', import.meta.url))
  const engine = await import('./engine.js')
  return engine.engineResponds()
}

async function mayHaveEngine(): Promise<boolean> {
  const { DOCKER_HOST, XDG_RUNTIME_DIR } = process.env
  if (DOCKER_HOST !== undefined) return accepts(addressOf(DOCKER_HOST))
  const sockets = ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')]
  if (XDG_RUNTIME_DIR) sockets.push(join(XDG_RUNTIME_DIR, 'docker.sock'))
  for (const path of sockets) if (existsSync(path) && (await accepts({ path }))) return true
  // Where these are, only testcontainers knows how to read them.
  const others = ['.docker/desktop/docker.sock', '.docker/contexts', '.testcontainers.properties']
  return others.some((path) => existsSync(join(homedir(), path)))
}

// `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
function addressOf(host: string): { path: string } | { host: string; port: number } {
  const { protocol, pathname, hostname, port } = new URL(host)
  return protocol === 'unix:' ? { path: pathname } : { host: hostname, port: Number(port || 2375) }
}

async function accepts(address: ReturnType<typeof addressOf>): Promise<boolean> {
  const socket = connect(address)
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(2000) })
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
