// A link that goes down while a client is being sent something: the kernel itself would repeat for about 15 minutes. Links and
// networks are made by Linux, in namespaces of the test's own (unshare(1), ip-link(8)).
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { debianProgram } from '../../support/processes/debian-program.ts'

t.setTimeout(330_000)
const scene = fileURLToPath(new URL('support/link-down-scene.ts', import.meta.url))

t.test('a client whose link is down frees its place within a minute, whatever is being sent to it', async (t) => {
  const ip = debianProgram({ names: ['ip'], package: 'iproute2', otherwise: 'This test needs ip: install iproute2.' })
  const unshare = debianProgram({
    names: ['unshare'],
    package: 'util-linux',
    otherwise: 'This test needs unshare: install util-linux.',
  })
  const args = [
    '--user',
    '--map-root-user',
    '--net',
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    scene,
    ip,
  ]
  const { stdout } = await promisify(execFile)(unshare, args)
  const freeAfterMs: Record<string, number> = JSON.parse(stdout)
  t.same(Object.keys(freeAfterMs).sort(), ['/x/download', '/x/events'])
  for (const [path, ms] of Object.entries(freeAfterMs)) t.ok(ms < 60_000, `${path} after ${ms} ms`)
})
