// Testcontainers, behind two functions.
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers'

/**
 * Whether an engine answers.
 * @returns {Promise<boolean>}
 */
export async function engineResponds() {
  try {
    await getContainerRuntimeClient()
    return true
  } catch {
    return false
  }
}

/**
 * Starts a Redis that keeps nothing.
 * @param {string} image
 * @returns {Promise<{ url: string, stop(): Promise<unknown> }>}
 */
export async function startRedisImage(image) {
  const container = await new GenericContainer(image)
    .withCommand(['redis-server', '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'])
    .withExposedPorts(6379)
    .withTmpFs({ '/data': 'rw' })
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .withStartupTimeout(30_000)
    .start()
  return { url: `redis://${container.getHost()}:${container.getMappedPort(6379)}`, stop: () => container.stop() }
}
