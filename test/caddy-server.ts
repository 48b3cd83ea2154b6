// A real Caddy for tests: on PATH; else from Debian's package, as root; else a sentence. One process on 127.0.0.1, in a folder
// of its own, ended by the test that started it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { debianProgram } from './debian-program.ts'
import { eventually } from './eventually.ts'
import { accepts, freePort } from './free-port.ts'
import { temporaryFolder } from './temporary-folder.ts'

const caddy = {
  names: ['caddy'],
  package: 'caddy',
  otherwise: 'This test needs a real Caddy: install it (Debian: apt-get install caddy).',
}

/**
 * Starts Caddy.
 * @param sites what its file says; is given the port to listen on
 * @returns its port
 */
export async function startCaddy(t: Test, sites: (port: number) => string): Promise<number> {
  const folder = temporaryFolder(t)
  const port = await freePort()
  const file = join(folder, 'Caddyfile')
  writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n}\n${sites(port)}`)
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
  const child = spawn(debianProgram(caddy), ['run', '--config', file, '--adapter', 'caddyfile'], { stdio: 'pipe', env })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  t.teardown(() => stop(child))
  let output = ''
  child.stderr.on('data', (text) => {
    output += text
  })
  await eventually('caddy listens', async () => {
    if (child.exitCode !== null) throw new Error(`caddy did not start: ${output}`)
    return accepts(port)
  })
  return port
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
