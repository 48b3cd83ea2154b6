// A real nginx for tests: on PATH; else from Debian's package, as root; else a sentence. One process on 127.0.0.1, in a
// folder of its own, ended by the test that started it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { debianProgram } from './debian-program.ts'
import { eventually } from './eventually.ts'
import { accepts, freePort } from './free-port.ts'
import { temporaryFolder } from './temporary-folder.ts'

const nginx = {
  names: ['nginx'],
  package: 'nginx-light',
  otherwise: 'This test needs a real nginx: install it (Debian: apt-get install nginx-light).',
}

/**
 * Starts nginx.
 * @param sites what stands in `http { … }`; is given the port to listen on
 * @returns its port
 */
export async function startNginx(t: Test, sites: (port: number) => string): Promise<number> {
  const folder = temporaryFolder(t)
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, settings(folder, sites(port)))
  const child = spawn(debianProgram(nginx), ['-p', folder, '-e', join(folder, 'error.log'), '-c', file], {
    stdio: 'pipe',
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  t.teardown(() => stop(child))
  let output = ''
  child.stderr.on('data', (text) => {
    output += text
  })
  await eventually('nginx listens', async () => {
    if (child.exitCode !== null) throw new Error(`nginx did not start: ${output}`)
    return accepts(port)
  })
  return port
}

function settings(folder: string, sites: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const paths = temporary.map((name) => `${name}_temp_path ${join(folder, name)};`)
  return `daemon off; master_process off; pid ${join(folder, 'pid')};
events {}
http { access_log off; ${paths.join(' ')}
${sites}
}`
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
