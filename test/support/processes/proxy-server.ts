// A real nginx, Caddy, haproxy or Apache for tests: on PATH; else from Debian's package, as root; else a sentence. One process on 127.0.0.1, in a
// folder of its own, ended by the test that started it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { eventually } from '../eventually.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { type DebianProgram, debianProgram } from './debian-program.ts'
import { accepts, freePort } from './free-port.ts'

/** What stands in a proxy's file; is given the port to listen on, and a folder for files that it names. */
export type Sites = (port: number, folder: string) => string

interface ProxyProgram extends DebianProgram {
  /** @returns how it is told to take `file` */
  args: (folder: string, file: string) => string[]
  /** @returns the whole file */
  settings: (folder: string, sites: string) => string
}

const nginx: ProxyProgram = {
  names: ['nginx'],
  package: 'nginx-light',
  otherwise: 'This test needs a real nginx: install it (Debian: apt-get install nginx-light).',
  args: (folder, file) => ['-p', folder, '-e', join(folder, 'error.log'), '-c', file],
  settings: nginxSettings,
}

const caddy: ProxyProgram = {
  names: ['caddy'],
  package: 'caddy',
  otherwise: 'This test needs a real Caddy: install it (Debian: apt-get install caddy).',
  args: (_folder, file) => ['run', '--config', file, '--adapter', 'caddyfile'],
  settings: (_folder, sites) => `{\n\tadmin off\n\tauto_https off\n}\n${sites}`,
}

const haproxy: ProxyProgram = {
  names: ['haproxy'],
  package: 'haproxy',
  otherwise: 'This test needs a real haproxy: install it (Debian: apt-get install haproxy).',
  args: (_folder, file) => ['-db', '-f', file],
  settings: (_folder, sites) => sites,
}

const apache: ProxyProgram = {
  names: ['apache2'],
  package: 'apache2',
  needs: { package: 'lua-socket', file: '/usr/share/lua/5.3/socket/http.lua' },
  otherwise: 'This test needs a real Apache httpd with lua-socket (Debian: apt-get install apache2 lua-socket).',
  // One process, so that it ends as one.
  args: (_folder, file) => ['-X', '-f', file],
  settings: apacheSettings,
}

/**
 * Starts nginx.
 * @param sites what stands in `http { … }`
 * @returns its port
 */
export function startNginx(t: Test, sites: Sites): Promise<number> {
  return startProxy(t, nginx, sites)
}

/**
 * Starts Caddy.
 * @param sites its file, but for the global options
 * @returns its port
 */
export function startCaddy(t: Test, sites: Sites): Promise<number> {
  return startProxy(t, caddy, sites)
}

/**
 * Starts haproxy.
 * @param sites its whole file
 * @returns its port
 */
export function startHaproxy(t: Test, sites: Sites): Promise<number> {
  return startProxy(t, haproxy, sites)
}

/**
 * Starts Apache httpd.
 * @param sites what stands in a file of `sites-available`
 * @returns its port
 */
export function startApache(t: Test, sites: Sites): Promise<number> {
  return startProxy(t, apache, sites)
}

async function startProxy(t: Test, program: ProxyProgram, sites: Sites): Promise<number> {
  const folder = temporaryFolder(t)
  const port = await freePort()
  // Apache reads what it is told as a user who may do less.
  chmodSync(folder, 0o755)
  const file = join(folder, 'settings')
  writeFileSync(file, program.settings(folder, sites(port, folder)))
  // Caddy keeps things in its user's folders.
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }
  const child = spawn(debianProgram(program), program.args(folder, file), { stdio: 'pipe', env })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  t.teardown(() => stop(child))
  let output = ''
  child.stderr.on('data', (text) => {
    output += text
  })
  await eventually(`${program.package} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${program.package} did not start: ${output}`)
    return accepts(port)
  })
  return port
}

function nginxSettings(folder: string, sites: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const paths = temporary.map((name) => `${name}_temp_path ${join(folder, name)};`)
  return `daemon off; master_process off; pid ${join(folder, 'pid')};
events {}
http { access_log off; ${paths.join(' ')}
${sites}
}`
}

// As Debian's own, with the modules that `a2enmod lua proxy_http` turns on; to be started by anybody.
function apacheSettings(folder: string, sites: string): string {
  const modules = ['mpm_event', 'authz_core', 'headers', 'lua', 'proxy', 'proxy_http']
  const loaded = modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  return `ServerRoot ${folder}
ServerName localhost
DefaultRuntimeDir ${folder}
PidFile ${join(folder, 'pid')}
ErrorLog ${join(folder, 'error.log')}
${loaded.join('\n')}
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 16
<IfModule unixd_module>
  User www-data
  Group www-data
</IfModule>
${sites}
`
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
